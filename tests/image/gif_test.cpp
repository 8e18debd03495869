#include <beit/image/detail/gif.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.hpp"

namespace beit_test::gif_test {

using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

/// A GIF's frame of 1 x 2 pixels, of the colours 1 and 0.
struct Gif {
  std::uint8_t canvas_width = 2, canvas_height = 1, left = 0, top = 0;
  bool has_palette = true;
  Bytes extension = {};
  bool has_own_palette = false;
  std::uint8_t width = 2, height = 1, flags = 0;
  // Codes of 3 bits, from the lowest: clear (4), 1, 0, end (5).
  Bytes data{2, 2, 0b00001100, 0b1010, 0, 0x3b};

  Bytes bytes() const {
    Bytes gif{'G', 'I', 'F', '8', '9', 'a', canvas_width, 0, canvas_height, 0, std::uint8_t(has_palette ? 0x80 : 0),
              0,   0};
    const auto append = [&](const Bytes& more) { gif.insert(gif.end(), more.begin(), more.end()); };
    if (has_palette) append({10, 20, 30, 40, 50, 60});
    append(extension);
    append({0x2c, left, 0, top, 0, width, 0, height, 0, std::uint8_t(flags | (has_own_palette ? 0x80 : 0))});
    if (has_own_palette) append({11, 21, 31, 41, 51, 61});
    append(data);
    return gif;
  }
};

/// Packs codes, each with its number of bits, into a GIF's blocks for pixels of 2 bits.
Bytes data_of(const std::vector<std::pair<int, int>>& codes_and_bits) {
  Bytes packed;
  int used = 8;
  for (const auto& [code, bits] : codes_and_bits) {
    for (int bit = 0; bit < bits; ++bit, ++used) {
      if (used == 8) {
        packed.push_back(0);
        used = 0;
      }
      packed.back() = static_cast<std::uint8_t>(packed.back() | (code >> bit & 1) << used);
    }
  }
  Bytes data{2};
  for (std::size_t at = 0; at < packed.size(); at += 255) {
    const std::size_t size = std::min<std::size_t>(255, packed.size() - at);
    data.push_back(static_cast<std::uint8_t>(size));
    for (std::size_t i = 0; i < size; ++i) data.push_back(packed[at + i]);
  }
  data.push_back(0);
  return data;
}

/// The size and then the pixels, or the message.
std::string decoded(const Bytes& bytes) {
  const std::string name = "a.gif";
  std::string text;
  const std::string message = message_of<beit::ImageError>([&] {
    const beit::detail::Decoded found = beit::detail::decode_gif({bytes, name}, {});
    text = std::to_string(found.image.height()) + "x" + std::to_string(found.image.width());
    for (beit::Index i = 0; i < found.image.size(); ++i) text += " " + std::to_string(found.image.data()[i]);
    return 0;
  });
  return message == "no error" ? text : message;
}

TEST(Gif, PixelsHaveTheirPalettesColours) {
  EXPECT_EQ(decoded(Gif{}.bytes()), "1x2 40 50 60 10 20 30");
  EXPECT_EQ(decoded(Gif{.has_own_palette = true}.bytes()), "1x2 41 51 61 11 21 31");
  // Without a palette, greys.
  EXPECT_EQ(decoded(Gif{.has_palette = false}.bytes()), "1x2 1 1 1 0 0 0");
}

TEST(Gif, TheTransparentColourIsAroundASmallerFrame) {
  EXPECT_EQ(decoded(Gif{.canvas_width = 3, .left = 1}.bytes()), "1x3 10 20 30 40 50 60 10 20 30");
  const Bytes colour_1_is_transparent{0x21, 0xf9, 4, 1, 0, 0, 1, 0};
  EXPECT_EQ(decoded(Gif{.canvas_width = 3, .left = 1, .extension = colour_1_is_transparent}.bytes()),
            "1x3 40 50 60 40 50 60 10 20 30");
  // The canvas grows to hold the frame, as in Pillow.
  EXPECT_EQ(decoded(Gif{.canvas_width = 1, .canvas_height = 1, .top = 1}.bytes()),
            "2x2 10 20 30 10 20 30 40 50 60 10 20 30");
}

TEST(Gif, OtherExtensionsAreSkipped) {
  EXPECT_EQ(decoded(Gif{.extension = {0x21, 0xfe, 3, 'a', 'b', 'c', 1, 'd', 0}}.bytes()), "1x2 40 50 60 10 20 30");
}

TEST(Gif, CodesNeedNeitherAClearOneFirstNorWhatFollowsThePixels) {
  EXPECT_EQ(decoded(Gif{.data = data_of({{1, 3}, {0, 3}, {5, 3}})}.bytes()), "1x2 40 50 60 10 20 30");
  EXPECT_EQ(decoded(Gif{.data = data_of({{1, 3}, {0, 3}})}.bytes()), "1x2 40 50 60 10 20 30");
}

TEST(Gif, CodesStandForRunsOfPixels) {
  // 1, then code 6 twice: that is 1 1, known only when it is read, and after it 7, which is 1 1 1.
  EXPECT_EQ(
      decoded(Gif{.canvas_width = 1, .width = 6, .data = data_of({{4, 3}, {1, 3}, {6, 3}, {7, 3}, {5, 4}})}.bytes()),
      "1x6 40 50 60 40 50 60 40 50 60 40 50 60 40 50 60 40 50 60");
}

TEST(Gif, AFullTableNeedNotBeCleared) {
  // Each code adds one to the table until there are 4096, of 12 bits; the codes after that add none.
  std::vector<std::pair<int, int>> codes{{4, 3}};
  std::string wanted = "100x60";
  for (int i = 0, known = 5, bits = 3; i < 6000; ++i) {
    codes.emplace_back(i % 2, bits);
    wanted += i % 2 == 1 ? " 40 50 60" : " 10 20 30";
    if (known < 4096) ++known;  // the first code adds none: known is one less at the beginning
    if (known == 1 << bits && bits < 12) ++bits;
  }
  EXPECT_EQ(decoded(Gif{.canvas_height = 100, .width = 60, .height = 100, .data = data_of(codes)}.bytes()), wanted);
}

TEST(Gif, InterlacedRowsComeInFourPasses) {
  // 9 rows of one pixel: 0, 8; 4; 2, 6; 1, 3, 5, 7. Row 8 and row 7 have colour 1.
  const Bytes data = data_of(
      {{4, 3}, {0, 3}, {1, 3}, {4, 3}, {0, 3}, {0, 3}, {4, 3}, {0, 3}, {0, 3}, {4, 3}, {0, 3}, {0, 3}, {4, 3}, {1, 3}});
  const std::string black = " 10 20 30", white = " 40 50 60";
  std::string wanted = "9x1";
  for (int y = 0; y < 9; ++y) wanted += y >= 7 ? white : black;
  EXPECT_EQ(
      decoded(Gif{.canvas_width = 1, .canvas_height = 9, .width = 1, .height = 9, .flags = 0x40, .data = data}.bytes()),
      wanted);
}

TEST(Gif, IndicesBeyondAPaletteAreBlackUnlessItIsGreys) {
  const Bytes data = data_of({{4, 3}, {3, 3}, {0, 3}});
  EXPECT_EQ(decoded(Gif{.data = data}.bytes()), "1x2 0 0 0 10 20 30");
  Bytes greys = Gif{.data = data}.bytes();
  for (const std::size_t i : {0u, 1u, 2u, 3u, 4u, 5u}) greys[13 + i] = static_cast<std::uint8_t>(i / 3);
  EXPECT_EQ(decoded(greys), "1x2 3 3 3 0 0 0");
}

TEST(Gif, DamageIsNamed) {
  EXPECT_THAT(decoded({'G', 'I', 'F', '8', '9', 'a'}), HasSubstr("a.gif: truncated: found 6 bytes, wanted 13 at 0"));
  Bytes no_frame{Gif{}.bytes()};
  no_frame[19] = 0x3b;
  EXPECT_THAT(decoded(no_frame), HasSubstr("found no frame"));
  no_frame[19] = 7;  // no block: passed over
  EXPECT_THAT(decoded(no_frame), HasSubstr("found no frame"));
  Bytes far = Gif{}.bytes();
  far[21] = far[23] = 0xff;  // the frame's left and top
  far[20] = 0xff;
  EXPECT_THAT(decoded(far), HasSubstr("found 65281 x 65537 pixels"));
  EXPECT_THAT(decoded(Gif{.data = {13, 2, 0, 0, 0}}.bytes()), HasSubstr("found pixels of 13 bits, wanted at most 12"));
  EXPECT_THAT(decoded(Gif{.data = data_of({{4, 3}, {7, 3}})}.bytes()), HasSubstr("a code without meaning"));
  EXPECT_THAT(decoded(Gif{.data = data_of({{1, 3}, {7, 3}})}.bytes()), HasSubstr("a code without meaning"));
  EXPECT_THAT(decoded(Gif{.data = data_of({{4, 3}, {1, 3}, {5, 3}})}.bytes()), HasSubstr("less than the first frame"));
  // A huge frame without data: refused before memory is allocated.
  Bytes huge = Gif{}.bytes();
  huge[25] = huge[27] = 0x30;
  EXPECT_THAT(decoded(huge), HasSubstr("less than the first frame"));
}

}  // namespace beit_test::gif_test
