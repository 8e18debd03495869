#include <beit/image/detail/tiff_samples.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::tiff_samples_test {

using beit::detail::TiffSamples;
using testing::ElementsAre;
using Bytes = std::vector<std::uint8_t>;

/// The values as they lie in memory.
template <typename Value>
Bytes bytes_of(const std::vector<Value>& values) {
  Bytes bytes(values.size() * sizeof(Value));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Bytes rgb(const TiffSamples& samples, const Bytes& row, beit::Index width, std::size_t plane_bytes = 0) {
  Bytes out(static_cast<std::size_t>(width) * 3);
  samples.to_rgb(row.data(), plane_bytes, width, out.data());
  return out;
}

/// The red of each pixel of grey samples.
Bytes greys(TiffSamples samples, const Bytes& row, beit::Index width) {
  samples.count = 1;
  const Bytes pixels = rgb(samples, row, width);
  Bytes result;
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    EXPECT_EQ(pixels[i], pixels[i + 1]);
    EXPECT_EQ(pixels[i], pixels[i + 2]);
    result.push_back(pixels[i]);
  }
  return result;
}

TEST(TiffSamples, PackedGreysReachWhite) {
  TiffSamples samples{.photometric = TiffSamples::black_is_zero, .bits = 1};
  EXPECT_THAT(greys(samples, {0b10100000}, 4), ElementsAre(255, 0, 255, 0));
  samples.bits = 2;
  EXPECT_THAT(greys(samples, {0b00011011, 0b11000000}, 5), ElementsAre(0, 85, 170, 255, 255));
  samples.bits = 4;
  EXPECT_THAT(greys(samples, {0x0f, 0x10}, 3), ElementsAre(0, 255, 17));
  samples.bits = 8;
  EXPECT_THAT(greys(samples, {0, 7, 255}, 3), ElementsAre(0, 7, 255));
  samples.photometric = TiffSamples::white_is_zero;
  EXPECT_THAT(greys(samples, {0, 7, 255}, 3), ElementsAre(255, 248, 0));
}

TEST(TiffSamples, SixteenBitsKeepTheirHighByteAndNumbersAreClipped) {
  TiffSamples samples{.photometric = TiffSamples::black_is_zero, .bits = 16};
  EXPECT_THAT(greys(samples, bytes_of<std::uint16_t>({0x12ff, 0xff00}), 2), ElementsAre(0x12, 0xff));
  // Shown as if black were 0, as in Pillow.
  samples.photometric = TiffSamples::white_is_zero;
  EXPECT_THAT(greys(samples, bytes_of<std::uint16_t>({0x12ff, 0xff00}), 2), ElementsAre(0x12, 0xff));
  samples.photometric = TiffSamples::black_is_zero;
  samples.bits = 12;
  EXPECT_THAT(greys(samples, {0x12, 0x34, 0x56, 0x78, 0x90}, 3), ElementsAre(0x12, 0x45, 0x78));
  samples.format = TiffSamples::signed_int;
  samples.bits = 8;  // as if they had no sign, as in Pillow
  EXPECT_THAT(greys(samples, {0, 7, 200}, 3), ElementsAre(0, 7, 200));
  samples.bits = 16;
  EXPECT_THAT(greys(samples, bytes_of<std::int16_t>({-5, 7, 300}), 3), ElementsAre(0, 7, 255));
  samples.bits = 32;
  EXPECT_THAT(greys(samples, bytes_of<std::int32_t>({-5, 7, 1 << 30}), 3), ElementsAre(0, 7, 255));
  samples.format = TiffSamples::unsigned_int;
  EXPECT_THAT(greys(samples, bytes_of<std::uint32_t>({7, 0xffffffff}), 2), ElementsAre(7, 0));  // as Pillow has it
  samples.format = TiffSamples::floating;
  EXPECT_THAT(greys(samples, bytes_of<float>({-1, 7.9f, 1e9f}), 3), ElementsAre(0, 7, 255));
}

TEST(TiffSamples, ColoursAreReadSideBySideOrByPlanes) {
  TiffSamples samples{.photometric = TiffSamples::rgb, .bits = 8, .count = 3};
  EXPECT_THAT(rgb(samples, {1, 2, 3, 4, 5, 6}, 2), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(rgb(samples, {1, 4, 2, 5, 3, 6}, 2, 2), ElementsAre(1, 2, 3, 4, 5, 6));
  samples.count = 4;
  EXPECT_THAT(rgb(samples, {1, 2, 3, 128, 4, 5, 6, 0}, 2), ElementsAre(1, 2, 3, 4, 5, 6));
  samples.associated_alpha = true;
  EXPECT_THAT(rgb(samples, {10, 20, 200, 100, 4, 5, 6, 0}, 2), ElementsAre(25, 51, 255, 0, 0, 0));
  samples = {.photometric = TiffSamples::rgb, .bits = 16, .count = 3};
  EXPECT_THAT(rgb(samples, bytes_of<std::uint16_t>({0x01ff, 0x0200, 0xff80}), 1), ElementsAre(1, 2, 255));
}

TEST(TiffSamples, OtherSpacesOfColoursBecomeRgb) {
  const TiffSamples ycbcr{.photometric = TiffSamples::ycbcr, .bits = 8, .count = 3};
  EXPECT_THAT(rgb(ycbcr, {100, 128, 128, 100, 90, 200, 255, 0, 255}, 3),
              ElementsAre(100, 100, 100, 200, 61, 32, 255, 208, 28));
  TiffSamples lab{.photometric = TiffSamples::lab, .bits = 8, .count = 3};
  lab.grid = beit::detail::lab_grid();
  EXPECT_THAT(rgb(lab, {0, 0, 0, 255, 0, 0, 128, 100, 0xe0, 200, 0x90, 60, 121, 3, 65}, 5),
              ElementsAre(1, 0, 1, 254, 255, 254, 246, 0, 177, 0, 237, 61, 135, 109, 0));
}

TEST(TiffSamples, PalettesAndInksBecomeColours) {
  TiffSamples samples{.photometric = TiffSamples::indexed, .bits = 4};
  samples.palette[2] = {1, 2, 3};
  samples.palette[15] = {4, 5, 6};
  EXPECT_THAT(rgb(samples, {0x2f}, 2), ElementsAre(1, 2, 3, 4, 5, 6));
  samples.bits = 8;
  samples.count = 2;  // and alpha
  EXPECT_THAT(rgb(samples, {15, 0, 2, 0}, 2), ElementsAre(4, 5, 6, 1, 2, 3));
  samples = {.photometric = TiffSamples::cmyk, .bits = 8, .count = 4};
  // No ink, black ink, all of cyan, and a half of each.
  EXPECT_THAT(rgb(samples, {0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 128, 128, 128, 128}, 4),
              ElementsAre(255, 255, 255, 0, 0, 0, 0, 255, 255, 63, 63, 63));
}

TEST(TiffSamples, KindsThatPillowDoesNotReadAreNotReadEither) {
  EXPECT_TRUE((TiffSamples{.photometric = TiffSamples::rgb, .bits = 8, .count = 3}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = TiffSamples::rgb, .bits = 8, .count = 2}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = TiffSamples::rgb, .bits = 4, .count = 3}.are_read()));
  EXPECT_TRUE((TiffSamples{.photometric = TiffSamples::lab, .bits = 8, .count = 3}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = TiffSamples::lab, .bits = 16, .count = 3}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = 9, .bits = 8, .count = 3}.are_read()));
  EXPECT_TRUE((TiffSamples{.photometric = TiffSamples::black_is_zero, .bits = 12}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = TiffSamples::white_is_zero, .bits = 12}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = TiffSamples::white_is_zero, .bits = 32}.are_read()));
  EXPECT_TRUE((TiffSamples{.photometric = TiffSamples::black_is_zero, .bits = 32}.are_read()));
  EXPECT_FALSE((TiffSamples{.photometric = TiffSamples::rgb, .bits = 32, .count = 3, .format = TiffSamples::floating}
                    .are_read()));
  EXPECT_EQ((TiffSamples{.photometric = 8, .bits = 8, .count = 3}.description()),
            "3 samples of 8 bits (photometric interpretation 8, sample format 1)");
}

}  // namespace beit_test::tiff_samples_test
