#include <beit/image/detail/gif.hpp>

#include <cstdint>
#include <string>
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

  Bytes bytes() const {
    Bytes gif{'G', 'I', 'F', '8', '9', 'a', canvas_width, 0, canvas_height, 0, std::uint8_t(has_palette ? 0x80 : 0),
              0,   0};
    const auto append = [&](const Bytes& more) { gif.insert(gif.end(), more.begin(), more.end()); };
    if (has_palette) append({10, 20, 30, 40, 50, 60});
    append(extension);
    append({0x2c, left, 0, top, 0, 2, 0, 1, 0, std::uint8_t(has_own_palette ? 0x80 : 0)});
    if (has_own_palette) append({11, 21, 31, 41, 51, 61});
    // Codes of 3 bits, from the lowest: clear (4), 1, 0, end (5).
    append({2, 2, 0b00001100, 0b1010, 0, 0x3b});
    return gif;
  }
};

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

TEST(Gif, DamageIsNamed) {
  EXPECT_THAT(decoded({'G', 'I', 'F', '8', '9', 'a'}), HasSubstr("a.gif: truncated: found 6 bytes, wanted 13 at 0"));
  Bytes no_frame{Gif{}.bytes()};
  no_frame[19] = 0x3b;
  EXPECT_THAT(decoded(no_frame), HasSubstr("found no frame"));
  no_frame[19] = 7;
  EXPECT_THAT(decoded(no_frame), HasSubstr("found a block of type 7 at 19"));
  Bytes far = Gif{}.bytes();
  far[21] = far[23] = 0xff;  // the frame's left and top
  far[20] = 0xff;
  EXPECT_THAT(decoded(far), HasSubstr("damaged GIF"));
}

}  // namespace beit_test::gif_test
