#include <beit/image/detail/jpeg_segments.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/image/detail/jpeg_tables.hpp>

#include "golden.hpp"

namespace beit_test::jpeg_segments_test {

using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

beit::detail::JpegSegments segments_of(const Bytes& bytes) {
  const std::string name = "a.jpg";
  return beit::detail::check_jpeg({bytes, name});
}
std::string refusal_of(const Bytes& bytes) {
  return message_of<beit::ImageError>([&] { return segments_of(bytes).orientation; });
}

void replace_marker(Bytes& jpeg, std::uint8_t from, std::uint8_t to) {
  for (std::size_t i = 0; i + 1 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == from) jpeg[i + 1] = to;
  }
}

TEST(JpegSegments, TellTheOrientation) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Bytes bytes = read_bytes(image_path("orientation_" + std::to_string(orientation) + ".jpg"));
    EXPECT_EQ(segments_of(bytes).orientation, orientation);
    EXPECT_FALSE(segments_of(bytes).wants_standard_tables);
  }
}

TEST(JpegSegments, WantTheStandardsTablesWhereThereAreNone) {
  Bytes bytes = read_bytes(image_path("orientation_1.jpg"));
  replace_marker(bytes, 0xc4, 0xfe);
  EXPECT_TRUE(segments_of(bytes).wants_standard_tables);
  EXPECT_FALSE(segments_of(beit::detail::with_standard_huffman_tables(bytes)).wants_standard_tables);
  replace_marker(bytes, 0xc0, 0xc2);  // progressive
  EXPECT_THAT(refusal_of(bytes), HasSubstr("a.jpg: damaged JPEG: found no Huffman table"));
}

TEST(JpegSegments, AreRefusedWhereTheyAreDamaged) {
  const Bytes whole = read_bytes(image_path("orientation_1.jpg"));
  Bytes bytes = whole;
  replace_marker(bytes, 0xdb, 0xfe);
  EXPECT_THAT(refusal_of(bytes), HasSubstr("no quantisation table"));
  for (const int frame : {3, 5, 6, 7, 9, 10, 11, 13, 14, 15}) {
    bytes = whole;
    replace_marker(bytes, 0xc0, static_cast<std::uint8_t>(0xc0 + frame));
    EXPECT_THAT(refusal_of(bytes), HasSubstr("(frame type " + std::to_string(frame) + ")"));
  }
  EXPECT_THAT(refusal_of({0xff, 0xd8, 0xff, 0xe0, 0, 1}), HasSubstr("found a segment of 1 bytes"));
  EXPECT_THAT(refusal_of({0xff, 0xd8, 0xff, 0xe0, 0, 9, 1}), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of({0xff, 0xd8, 0xff, 0xe0}), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of({0xff, 0xd8, 0xff, 0xc4, 0, 4, 0, 0}), HasSubstr("a Huffman table ends early"));
}

TEST(JpegTables, HaveAsManyValuesAsCodes) {
  const auto& tables = beit::detail::standard_huffman_tables;
  std::vector<int> kinds;
  for (std::size_t at = 0; at < tables.size();) {
    kinds.push_back(tables[at]);
    std::size_t codes = 0, room = 0;  // codes so far, in units of the longest one
    for (std::size_t length = 1; length <= 16; ++length) {
      codes += tables[at + length];
      room += std::size_t{tables[at + length]} << (16 - length);
    }
    EXPECT_LT(room, std::size_t{1} << 16);  // the code of ones alone isn't used
    at += 17 + codes;
    ASSERT_LE(at, tables.size());
  }
  EXPECT_THAT(kinds, testing::ElementsAre(0x00, 0x10, 0x01, 0x11));
}

}  // namespace beit_test::jpeg_segments_test
