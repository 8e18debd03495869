#include <beit/image/detail/bmp.hpp>

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
    // Indices beyond a short palette are greys, as Pillow fills it up.
    EXPECT_THAT(pixels_of(Bmp{.os2 = os2, .pixels = {1, 200, 0, 0}}.bytes()),
                ElementsAre(0x34, 0x24, 0x14, 200, 200, 200))
        << os2;
  }
  EXPECT_THAT(pixels_of(Bmp{.used = 0}.bytes()), ElementsAre(0x34, 0x24, 0x14, 0x30, 0x20, 0x10));
}

TEST(Bmp, ATrueColourFileIsLeftAsItIs) {
  const Bytes bytes = Bmp{.bits = 24, .palette_size = 0, .pixels = {1, 2, 3, 4, 5, 6, 0, 0}}.bytes();
  const std::string name = "a.bmp";
  EXPECT_TRUE(beit::detail::check_bmp({bytes, name}).empty());
  EXPECT_THAT(pixels_of(bytes), ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(Bmp, DamageIsNamed) {
  EXPECT_THAT(refusal_of(Bmp{.palette_size = 0}.bytes()), HasSubstr("found no palette for 8 bits per pixel"));
  for (const std::uint32_t compression : {1u, 2u}) {
    EXPECT_THAT(refusal_of(Bmp{.compression = compression}.bytes()), HasSubstr("run-length encoded BMP"));
  }
  const Bytes whole = Bmp{}.bytes();
  for (std::size_t size = 2; size + 2 < whole.size(); ++size) {
    EXPECT_THAT(refusal_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), HasSubstr("truncated"))
        << size;
  }
}

}  // namespace beit_test::bmp_test
