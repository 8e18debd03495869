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

TEST(JpegSegments, AreCopiedWithoutWhatStbImageStumblesOver) {
  const std::string name = "a.jpg";
  const auto repaired = [&](const Bytes& bytes) {
    return beit::detail::without_obstacles(bytes, beit::detail::check_jpeg({bytes, name}));
  };
  const Bytes whole = read_bytes(image_path("orientation_1.jpg"));
  EXPECT_TRUE(repaired(whole).empty());
  Bytes junk = whole;
  junk.insert(junk.begin() + 2, {0xff, 0x00, 0x12, 0xff, 0x01});
  EXPECT_EQ(repaired(junk), whole);
  Bytes no_end(whole.begin(), whole.end() - 2);
  no_end.insert(no_end.end(), {0xff, 0xfe, 0x70, 0x00, 1, 2, 3});
  EXPECT_EQ(repaired(no_end), whole);
  // Before all pixels are there, that is damage.
  no_end.erase(no_end.end() - 9, no_end.end() - 7);
  EXPECT_THAT(refusal_of(no_end), HasSubstr("truncated"));
}

TEST(JpegScan, IsCopiedAsItIsUnlessSomethingIsMissing) {
  const std::string name = "a.jpg";
  const Bytes whole = read_bytes(image_path("orientation_1.jpg"));
  EXPECT_EQ(beit::detail::with_whole_scans({whole, name}), whole);
  Bytes extra = whole;
  extra.insert(extra.end() - 2, {0x12, 0x34});
  EXPECT_EQ(beit::detail::with_whole_scans({extra, name}), extra);
  Bytes short_of = whole;
  short_of.erase(short_of.end() - 6, short_of.end() - 2);
  const Bytes filled = beit::detail::with_whole_scans({short_of, name});
  EXPECT_NE(filled, short_of);
  EXPECT_EQ(beit::detail::with_whole_scans({filled, name}), filled);
}

TEST(JpegScan, CodesAreReadAndWritten) {
  // Two codes of two bits, 00 and 01, and one of three, 100.
  Bytes table(16);
  table[1] = 2;
  table[2] = 1;
  table.insert(table.end(), {5, 0xff, 7});
  const beit::detail::JpegCodes codes(table);
  Bytes data;
  beit::detail::JpegBitWriter out(data);
  for (const std::uint32_t value : {7u, 5u, 0xffu, 9u}) codes.write(value, out);  // none for 9
  out.put(0b1, 1);
  out.finish();
  EXPECT_EQ(data, Bytes{0b10000011});
  data.push_back(0xff);  // a marker follows
  data.push_back(0xd0);
  beit::detail::JpegBits bits(data, 0);
  EXPECT_EQ(codes.read(bits), 7u);
  EXPECT_EQ(codes.read(bits), 5u);
  EXPECT_EQ(codes.read(bits), 0xffu);
  EXPECT_FALSE(bits.ended());
  EXPECT_EQ(bits.position(), 1u);
  EXPECT_EQ(codes.read(bits), 7u);  // 1, and zeros where data are missing
  EXPECT_TRUE(bits.ended());
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
