#include <beit/image/detail/tga.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.hpp"

namespace beit_test::tga_test {

using testing::ElementsAre;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

/// A TGA of 2 x 2 pixels or of another size.
struct Tga {
  std::uint8_t type = 3, bits = 8, descriptor = 0x20, width = 2, height = 2;
  Bytes palette = {};  ///< Colours of 24 bits, from the second one on.
  Bytes pixels{1, 2, 3, 4};

  Bytes bytes() const {
    const auto colours = static_cast<std::uint8_t>(palette.size() / 3);
    const bool has_palette = colours > 0;
    Bytes tga{1, has_palette, type, std::uint8_t(has_palette), 0, colours, 0, std::uint8_t(has_palette ? 24 : 0)};
    tga.insert(tga.end(), {0, 0, 0, 0, width, 0, height, 0, bits, descriptor, 'i'});  // and a comment
    tga.insert(tga.end(), palette.begin(), palette.end());
    tga.insert(tga.end(), pixels.begin(), pixels.end());
    return tga;
  }
};

Bytes pixels_of(const Bytes& bytes) {
  const std::string name = "a.tga";
  const beit::detail::Decoded found = beit::detail::decode_tga({bytes, name}, {});
  return {found.image.data(), found.image.data() + found.image.size()};
}

/// The red of each pixel.
Bytes reds_of(const Bytes& bytes) {
  const Bytes pixels = pixels_of(bytes);
  Bytes reds;
  for (std::size_t i = 0; i < pixels.size(); i += 3) reds.push_back(pixels[i]);
  return reds;
}

std::string refusal_of(const Bytes& bytes) {
  return message_of<beit::ImageError>([&] { return pixels_of(bytes); });
}

TEST(Tga, PixelsGoFromAnyCorner) {
  EXPECT_THAT(reds_of(Tga{.descriptor = 0x20}.bytes()), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(reds_of(Tga{.descriptor = 0x00}.bytes()), ElementsAre(3, 4, 1, 2));
  EXPECT_THAT(reds_of(Tga{.descriptor = 0x30}.bytes()), ElementsAre(2, 1, 4, 3));
  EXPECT_THAT(reds_of(Tga{.descriptor = 0x10}.bytes()), ElementsAre(4, 3, 2, 1));
}

TEST(Tga, PixelsHaveOneToThirtyTwoBits) {
  EXPECT_THAT(reds_of(Tga{.bits = 1, .width = 9, .height = 1, .pixels = {0b10100000, 0x80}}.bytes()),
              ElementsAre(255, 0, 255, 0, 0, 0, 0, 0, 255));
  EXPECT_THAT(reds_of(Tga{.bits = 16, .height = 1, .pixels = {7, 99, 8, 99}}.bytes()), ElementsAre(7, 8));
  EXPECT_THAT(pixels_of(Tga{.type = 2, .bits = 16, .height = 1, .pixels = {0xff, 0xff, 0x43, 0x04}}.bytes()),
              ElementsAre(255, 255, 255, 1 * 255 / 31, 2 * 255 / 31, 3 * 255 / 31));
  EXPECT_THAT(pixels_of(Tga{.type = 2, .bits = 24, .height = 1, .pixels = {1, 2, 3, 4, 5, 6}}.bytes()),
              ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(pixels_of(Tga{.type = 2, .bits = 32, .width = 1, .height = 1, .pixels = {1, 2, 3, 0}}.bytes()),
              ElementsAre(3, 2, 1));
}

TEST(Tga, IndicesOutsideThePaletteAreBlack) {
  EXPECT_THAT(pixels_of(Tga{.type = 1, .palette = {1, 2, 3, 4, 5, 6}, .pixels = {0, 1, 2, 3}}.bytes()),
              ElementsAre(0, 0, 0, 3, 2, 1, 6, 5, 4, 0, 0, 0));
  // A grey image with a palette has that, as in Pillow.
  EXPECT_THAT(pixels_of(Tga{.type = 3, .height = 1, .palette = {1, 2, 3}, .pixels = {0, 1}}.bytes()),
              ElementsAre(0, 0, 0, 3, 2, 1));
}

TEST(Tga, RunLengthsAreDecoded) {
  EXPECT_THAT(reds_of(Tga{.type = 11, .pixels = {0x81, 7, 0x80, 8, 0x00, 9}}.bytes()), ElementsAre(7, 7, 8, 9));
  // Pixels without a run may go on in the next row; a run may not, as in Pillow.
  EXPECT_THAT(reds_of(Tga{.type = 11, .pixels = {0x03, 7, 8, 9, 10}}.bytes()), ElementsAre(7, 8, 9, 10));
  EXPECT_THAT(refusal_of(Tga{.type = 11, .pixels = {0x83, 7}}.bytes()), HasSubstr("a run of pixels leaves its row"));
}

TEST(Tga, DamageIsNamed) {
  for (const std::uint8_t type : {0, 4, 8, 12, 33}) {
    EXPECT_THAT(refusal_of(Tga{.type = type}.bytes()), HasSubstr("found no image")) << int{type};
  }
  EXPECT_THAT(refusal_of(Tga{.bits = 15}.bytes()), HasSubstr("found no image"));
  EXPECT_THAT(refusal_of(Tga{.type = 1}.bytes()), HasSubstr("found a TGA of type 1 with 8 bits per pixel"));
  EXPECT_THAT(refusal_of(Tga{.type = 11, .bits = 1}.bytes()), HasSubstr("found a TGA of type 11 with 1 bits"));
  Bytes palette = Tga{.type = 1, .palette = {1, 2, 3}}.bytes();
  palette[7] = 15;
  EXPECT_THAT(refusal_of(palette), HasSubstr("a palette of 15 bits per colour, wanted 16, 24 or 32"));
  for (const std::uint8_t type : {3, 11}) {
    Bytes whole = Tga{.type = type, .pixels = {type == 3 ? std::uint8_t{9} : std::uint8_t{3}, 7, 8, 9, 10}}.bytes();
    if (type == 3) whole.pop_back();
    for (std::size_t size = 18; size < whole.size(); ++size) {
      EXPECT_THAT(refusal_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}),
                  HasSubstr("truncated"))
          << size;
    }
  }
}

}  // namespace beit_test::tga_test
