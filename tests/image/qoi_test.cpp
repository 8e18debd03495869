#include <beit/image/detail/qoi.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.hpp"

namespace beit_test::qoi_test {

using testing::ElementsAre;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

Bytes qoi(std::uint8_t width, std::uint8_t height, const Bytes& data) {
  Bytes bytes{'q', 'o', 'i', 'f', 0, 0, 0, width, 0, 0, 0, height, 4, 0};
  std::copy(data.begin(), data.end(), std::back_inserter(bytes));
  return bytes;
}

Bytes pixels_of(const Bytes& bytes) {
  const std::string name = "a.qoi";
  const beit::detail::Decoded found = beit::detail::decode_qoi({bytes, name}, {});
  return {found.image.data(), found.image.data() + found.image.size()};
}

std::string refusal_of(const Bytes& bytes) {
  return message_of<beit::ImageError>([&] { return pixels_of(bytes); });
}

TEST(Qoi, EveryKindOfCodeIsDecoded) {
  // Red, green and blue; and with alpha, which is dropped.
  EXPECT_THAT(pixels_of(qoi(2, 1, {0xfe, 1, 2, 3, 0xff, 4, 5, 6, 7})), ElementsAre(1, 2, 3, 4, 5, 6));
  // Differences of -2, 1 and 0 from black; and green's 3, with red's and blue's -8 and 7 more.
  EXPECT_THAT(pixels_of(qoi(2, 1, {0x40 | 0 << 4 | 3 << 2 | 2, 0x80 | 35, 0x0f})), ElementsAre(254, 1, 0, 249, 4, 10));
  // A run ends with the image; it begins with opaque black.
  EXPECT_THAT(pixels_of(qoi(2, 1, {0xfd})), ElementsAre(0, 0, 0, 0, 0, 0));
  // A pixel seen before: 1 * 3 + 2 * 5 + 3 * 7 + 255 * 11 = 23 modulo 64; and one never seen, which is black.
  EXPECT_THAT(pixels_of(qoi(2, 2, {0xfe, 1, 2, 3, 0xfe, 9, 9, 9, 23, 50})),
              ElementsAre(1, 2, 3, 9, 9, 9, 1, 2, 3, 0, 0, 0));
}

TEST(Qoi, DamageIsNamed) {
  const Bytes whole = qoi(2, 2, {0xfe, 1, 2, 3, 0xff, 4, 5, 6, 7, 0xa3, 0x0f, 0x6a});
  EXPECT_EQ(refusal_of(whole), "no error");
  for (std::size_t size = 4; size < whole.size(); ++size) {
    EXPECT_THAT(refusal_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), HasSubstr("truncated"))
        << size;
  }
  EXPECT_THAT(refusal_of(qoi(0, 1, {})), HasSubstr("found 1 x 0 pixels, wanted at least 1 x 1"));
  // Refused before memory is allocated for the pixels.
  EXPECT_THAT(refusal_of(qoi(255, 255, {0xfd})),
              HasSubstr("found 1 bytes of compressed data, which can't be 255 x 255 pixels"));
}

}  // namespace beit_test::qoi_test
