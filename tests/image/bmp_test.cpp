#include <beit/image/detail/bmp.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.hpp"

namespace beit_test::bmp_test {

using testing::ElementsAre;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

void put(Bytes& bytes, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

/// A BMP of 1 x 2 pixels: a Windows header of 40 bytes, or OS/2's of 12.
struct Bmp {
  bool os2 = false;
  std::uint32_t bits = 8, compression = 0, palette_size = 2, used = 2;
  Bytes pixels{1, 0, 0, 0};

  Bytes bytes() const {
    const std::uint32_t header = os2 ? 26 : 54, offset = header + palette_size * (os2 ? 3 : 4);
    Bytes bmp{'B', 'M'};
    put(bmp, offset + 4, 4);
    put(bmp, 0, 4);
    put(bmp, offset, 4);
    put(bmp, header - 14, 4);
    put(bmp, 2, os2 ? 2 : 4);
    put(bmp, 1, os2 ? 2 : 4);
    put(bmp, 1, 2);
    put(bmp, bits, 2);
    if (!os2) {
      put(bmp, compression, 4);
      for (const std::uint32_t value : {4u, 0u, 0u, used, 0u}) put(bmp, value, 4);
    }
    for (std::uint32_t i = 0; i < palette_size; ++i) put(bmp, 0x302010 + 0x040404 * i, os2 ? 3 : 4);  // blue first
    bmp.insert(bmp.end(), pixels.begin(), pixels.end());
    return bmp;
  }
};

Bytes pixels_of(const Bytes& bytes) {
  const std::string name = "a.bmp";
  const beit::detail::Decoded found = beit::detail::decode_bmp({bytes, name}, {});
  return {found.image.data(), found.image.data() + found.image.size()};
}

std::string refusal_of(const Bytes& bytes) {
  return message_of<beit::ImageError>([&] { return pixels_of(bytes); });
}

TEST(Bmp, PixelsHaveTheirPalettesColours) {
  for (const bool os2 : {false, true}) {
    EXPECT_THAT(pixels_of(Bmp{.os2 = os2}.bytes()), ElementsAre(0x34, 0x24, 0x14, 0x30, 0x20, 0x10)) << os2;
    // Indices beyond a short palette are black, as in Pillow.
    EXPECT_THAT(pixels_of(Bmp{.os2 = os2, .pixels = {1, 200, 0, 0}}.bytes()), ElementsAre(0x34, 0x24, 0x14, 0, 0, 0))
        << os2;
  }
  EXPECT_THAT(pixels_of(Bmp{.used = 0}.bytes()), ElementsAre(0x34, 0x24, 0x14, 0x30, 0x20, 0x10));
}

TEST(Bmp, AFileWithoutAPaletteHasColours) {
  for (const std::uint32_t palette_size : {0u, 5u}) {  // one that isn't used
    EXPECT_THAT(pixels_of(Bmp{.bits = 24, .palette_size = palette_size, .pixels = {1, 2, 3, 4, 5, 6, 0, 0}}.bytes()),
                ElementsAre(3, 2, 1, 6, 5, 4));
    EXPECT_THAT(pixels_of(Bmp{.bits = 32, .palette_size = palette_size, .pixels = {1, 2, 3, 9, 4, 5, 6, 9}}.bytes()),
                ElementsAre(3, 2, 1, 6, 5, 4));
    // 16 bits: five each, scaled to 255 and rounded down.
    EXPECT_THAT(pixels_of(Bmp{.bits = 16, .palette_size = palette_size, .pixels = {0xff, 0x7f, 0x61, 0x08}}.bytes()),
                ElementsAre(255, 255, 255, 2 * 255 / 31, 3 * 255 / 31, 1 * 255 / 31));
  }
}

TEST(Bmp, MasksSayWhereColoursAre) {
  Bytes masks;
  for (const std::uint32_t mask : {0xf800u, 0x07e0u, 0x001fu}) put(masks, mask, 4);
  for (const std::uint32_t header : {40u, 52u, 56u, 64u, 108u, 124u}) {
    Bytes bytes = Bmp{.bits = 16, .compression = 3, .palette_size = 0, .pixels = masks}.bytes();
    bytes.resize(std::max<std::size_t>(14 + header, bytes.size()));
    bytes[14] = static_cast<std::uint8_t>(header);
    bytes[10] = static_cast<std::uint8_t>(bytes.size());
    bytes.insert(bytes.end(), {0xff, 0xff, 0x62, 0x08});
    EXPECT_THAT(pixels_of(bytes), ElementsAre(255, 255, 255, 1 * 255 / 31, 3 * 255 / 63, 2 * 255 / 31)) << header;
  }
}

TEST(Bmp, RunLengthsAreDecoded) {
  const auto indices = [](std::uint32_t compression, std::uint8_t width, std::uint8_t height, const Bytes& runs) {
    Bytes bytes =
        Bmp{.bits = compression == 1 ? 8u : 4u, .compression = compression, .palette_size = 16, .used = 0, .pixels = {}}
            .bytes();
    if (compression == 1) bytes[46] = 16;
    bytes[18] = width;
    bytes[22] = height;
    bytes.insert(bytes.end(), runs.begin(), runs.end());
    const Bytes pixels = pixels_of(bytes);
    Bytes found;  // a colour is 0x302010 + 0x040404 * index
    for (std::size_t i = 0; i < pixels.size(); i += 3) {
      found.push_back(static_cast<std::uint8_t>(pixels[i] == 0 ? 99 : (pixels[i] - 0x30) / 4));
    }
    return found;
  };
  // The lower row first: a run, then pixels filled up to 16 bits, and a jump over the upper row's first pixel.
  EXPECT_THAT(indices(1, 3, 2, {2, 5, 0, 3, 7, 8, 9, 0, 0, 2, 1, 0, 1, 4, 0, 1}), ElementsAre(8, 9, 0, 5, 5, 7));
  EXPECT_THAT(indices(2, 3, 2, {3, 0x56, 0, 0, 0, 3, 0x78, 0x90, 0, 1}), ElementsAre(7, 8, 9, 5, 6, 5));
  // A run ends with its row, and the end of a row fills it up with index 0.
  EXPECT_THAT(indices(1, 3, 2, {9, 5, 0, 0, 1, 6, 0, 0}), ElementsAre(6, 0, 0, 5, 5, 5));
  EXPECT_THAT(message_of<beit::ImageError>([&] {
                indices(1, 3, 2, {3, 5, 0, 1});
              }),
              HasSubstr("truncated: found 3 run-length encoded pixels, wanted 6"));
  EXPECT_THAT(message_of<beit::ImageError>([&] { indices(1, 3, 2, {3, 5, 0, 9, 1}); }), HasSubstr("truncated"));
}

TEST(Bmp, DamageIsNamed) {
  EXPECT_THAT(refusal_of(Bmp{.palette_size = 0}.bytes()), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of(Bmp{.bits = 24, .compression = 1}.bytes()),
              HasSubstr("found a BMP of 24 bits per pixel with compression 1, which isn't supported"));
  EXPECT_THAT(refusal_of(Bmp{.bits = 2}.bytes()), HasSubstr("found a BMP of 2 bits per pixel"));
  Bytes header = Bmp{}.bytes();
  header[14] = 41;
  EXPECT_THAT(refusal_of(header), HasSubstr("found a header of 41 bytes, wanted 12, 40"));
  const Bytes whole = Bmp{}.bytes();
  for (std::size_t size = 2; size + 2 < whole.size(); ++size) {
    EXPECT_THAT(refusal_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), HasSubstr("truncated"))
        << size;
  }
}

}  // namespace beit_test::bmp_test
