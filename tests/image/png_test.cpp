// The kinds of damage that Pillow refuses, and those that it reads. Each was established by Pillow 13.0.0.
#include <beit/image/decode.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/image/detail/png.hpp>

#include "golden.hpp"

namespace beit_test::png_test {

using testing::HasSubstr;
using Data = std::vector<std::uint8_t>;

void append_number(Data& to, std::size_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(number >> shift));
}

/// A chunk with its checksum.
Data chunk(const std::string& type, const Data& content) {
  Data bytes;
  append_number(bytes, content.size());
  std::copy(type.begin(), type.end(), std::back_inserter(bytes));
  std::copy(content.begin(), content.end(), std::back_inserter(bytes));
  append_number(bytes, crc32(bytes.data() + 4, content.size() + 4));
  return bytes;
}

Data joined(const std::vector<Data>& parts) {
  Data bytes;
  for (const Data& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

/// A zlib stream that stores these bytes.
Data stored(const Data& bytes) {
  const auto low = [](std::size_t x) { return static_cast<std::uint8_t>(x & 0xff); };
  const std::size_t size = bytes.size();
  Data stream{0x78, 0x01, 1, low(size), low(size >> 8), low(~size), low(~size >> 8)};
  stream.insert(stream.end(), bytes.begin(), bytes.end());
  std::uint32_t sum = 1, sums = 0;
  for (const std::uint8_t byte : bytes) sums = (sums + (sum = (sum + byte) % 65521)) % 65521;
  append_number(stream, std::size_t{sums} << 16 | sum);
  return stream;
}

/// The signature and the header of an image of three rows of two pixels.
Data beginning(std::uint8_t depth, std::uint8_t colour) {
  return joined(
      {{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, chunk("IHDR", {0, 0, 0, 2, 0, 0, 0, 3, depth, colour, 0, 0, 0})});
}
const Data end = chunk("IEND", {});
const Data grey_rows{0, 10, 20, 0, 30, 40, 0, 50, 60};

/// An image's first channel, or the reason why there is none.
std::string outcome(const Data& png) {
  std::string levels;
  const std::string message = message_of<beit::ImageError>([&] {
    const beit::Image image = beit::decode_image(png.data(), png.size(), {}, "some.name");
    for (beit::Index i = 0; i < image.size(); i += 3) levels += std::to_string(image.data()[i]) + " ";
  });
  return levels.empty() ? message : levels;
}
std::string outcome(const std::vector<Data>& parts) { return outcome(joined(parts)); }

const std::string grey_levels = "10 20 30 40 50 60 ";

// A changed bit may lengthen the stream, of which neither Pillow nor we read more than the pixels. In these files none
// does.
TEST(Png, OneChangedBitIsNoticed) {
  for (const char* name : {"color0_depth2.png", "color2_depth8.png", "color3_depth4_transparent.png"}) {
    const Data whole = read_bytes(image_path(name));
    const std::string wanted = outcome(whole);
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 8 * whole.size(); bit += 3) {
      Data damaged = whole;
      damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1 << bit % 8);
      const std::string found = outcome(damaged);
      EXPECT_TRUE(found == wanted || found.starts_with("some.name: ")) << name << " bit " << bit;
      refused += found != wanted;
    }
    EXPECT_GT(refused, whole.size()) << name;
  }
}

TEST(Png, MayEndBehindItsPixels) {
  for (const char* name : {"landscape.png", "color2_depth16.png", "color3_depth8.png"}) {
    const Data whole = read_bytes(image_path(name));
    const std::string wanted = outcome(whole);
    for (std::size_t missing = 0; missing < whole.size(); ++missing) {
      const std::string found = outcome(Data(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(missing)));
      // IEND has 12 bytes; before it stand the pixels' two checksums and the code that ends them.
      if (missing <= 20) {
        EXPECT_EQ(found, wanted) << name << " without " << missing;
      } else if (missing > 24) {
        EXPECT_THAT(found, HasSubstr("some.name: ")) << name << " without " << missing;
      }
    }
  }
}

TEST(Png, ChecksTheStreamsChecksumWhereItIsWhole) {
  Data stream = stored(grey_rows);
  EXPECT_EQ(outcome({beginning(8, 0), chunk("IDAT", stream), end}), grey_levels);
  const Data cut(stream.begin(), stream.end() - 1);
  EXPECT_EQ(outcome({beginning(8, 0), chunk("IDAT", cut), end}), grey_levels);
  stream.back() ^= 1;
  EXPECT_THAT(outcome({beginning(8, 0), chunk("IDAT", stream), end}), HasSubstr("compressed data are wrong"));
}

TEST(Png, RowsThatAStreamLacksAreBlack) {
  const auto of_rows = [](const Data& rows) { return outcome({beginning(8, 0), chunk("IDAT", stored(rows)), end}); };
  EXPECT_EQ(of_rows({0, 10, 20, 0, 30, 40}), "10 20 30 40 0 0 ");
  EXPECT_EQ(of_rows({0, 10, 20}), "10 20 0 0 0 0 ");
  EXPECT_THAT(of_rows({}), HasSubstr("truncated"));
  EXPECT_THAT(of_rows({0, 10, 20, 0, 30}), HasSubstr("truncated"));
  EXPECT_EQ(of_rows({0, 10, 20, 0, 30, 40, 0, 50, 60, 1, 2, 3}), grey_levels);
  EXPECT_THAT(of_rows({0, 10, 20, 5, 30, 40}), HasSubstr("filtered by method 5, wanted 0 to 4"));
  // The colour of index 0.
  EXPECT_EQ(outcome({beginning(8, 3), chunk("PLTE", {7, 0, 0, 8, 0, 0}), chunk("IDAT", stored({0, 1, 1})), end}),
            "8 8 7 7 7 7 ");
}

TEST(Png, ChecksChunksBeforeThePixels) {
  const Data pixels = chunk("IDAT", stored(grey_rows));
  for (const char* type : {"tEXt", "abCd", "ABCD"}) {
    Data other = chunk(type, {1, 2, 3});
    EXPECT_EQ(outcome({beginning(8, 0), other, pixels, end}), grey_levels) << type;
    other.back() ^= 1;
    EXPECT_THAT(outcome({beginning(8, 0), other, pixels, end}),
                HasSubstr("checksum of the chunk " + std::string(type)));
    EXPECT_EQ(outcome({beginning(8, 0), pixels, other, end}), grey_levels) << type;
  }
  Data header = beginning(8, 0);
  header.back() ^= 1;
  EXPECT_THAT(outcome({header, pixels, end}), HasSubstr("checksum of the chunk IHDR at 8 is wrong"));
  Data wrong = pixels;
  wrong.back() ^= 1;
  EXPECT_EQ(outcome({beginning(8, 0), wrong, end}), grey_levels);
  EXPECT_THAT(outcome({beginning(8, 0), chunk("gAMA", {0, 0, 1}), pixels, end}), HasSubstr("gAMA at 33 is too short"));
  EXPECT_THAT(outcome({beginning(8, 0), pixels, chunk("tRNS", {1})}), HasSubstr("is too short"));
  EXPECT_THAT(outcome({beginning(8, 0), end}), HasSubstr("found no pixels"));
  EXPECT_THAT(outcome({beginning(8, 0), {0, 0, 0, 0, 'a', '!', 'c', 'd', 0, 0, 0, 0}, pixels}), HasSubstr("no chunk"));
}

TEST(Png, WhatFollowsThePixelsMayBeJunk) {
  const Data pixels = chunk("IDAT", stored(grey_rows)), junk{0, 0, 0, 9, 'a', 'b', '!', 'd', 1, 2};
  EXPECT_EQ(outcome({beginning(8, 0), pixels, junk}), grey_levels);
  EXPECT_EQ(outcome({beginning(8, 0), pixels, end, junk}), grey_levels);
  EXPECT_EQ(outcome({beginning(8, 0), pixels, chunk("IDAT", {1, 2, 3}), end}), grey_levels);
  EXPECT_THAT(outcome({beginning(8, 0), pixels, {0, 0, 0, 3, 'I', 'D', 'A', 'T'}}), HasSubstr("truncated"));
  EXPECT_THAT(outcome({beginning(8, 0), pixels, {0, 0, 0, 9, 'a', 'b', 'c', 'd', 1, 2}}), HasSubstr("truncated"));
}

TEST(Png, NamesKindsThatDontExist) {
  const Data pixels = chunk("IDAT", stored(grey_rows));
  EXPECT_THAT(outcome({beginning(3, 0), pixels, end}), HasSubstr("found 3 bits per sample for colour type 0"));
  EXPECT_THAT(outcome({beginning(4, 2), pixels, end}), HasSubstr("found 4 bits per sample for colour type 2"));
  EXPECT_THAT(outcome({beginning(8, 5), pixels, end}), HasSubstr("for colour type 5"));
}

TEST(Png, IsTurnedByExifOrXmpWhenAsked) {
  const Data pixels = chunk("IDAT", stored(grey_rows));
  const Data exif{'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};  // a quarter turn
  const auto bytes_of = [](const std::string& text) { return Data(text.begin(), text.end()); };
  std::string digits = "Raw profile type exif";
  digits += std::string("\0\nexif\n 22\n", 11);
  for (const std::uint8_t byte : exif) {
    for (const int nibble : {byte >> 4, byte & 15}) digits += "0123456789abcdef"[nibble];
  }
  const std::string keyword = "XML:com.adobe.xmp", xmp = "tiff:Orientation=\"6\"";
  Data compressed = bytes_of(keyword + '\0' + '\0');
  const Data stream = stored(bytes_of(xmp));
  compressed.insert(compressed.end(), stream.begin(), stream.end());
  const std::vector<Data> notes{chunk("eXIf", exif), chunk("tEXt", bytes_of(digits)), chunk("zTXt", compressed),
                                chunk("iTXt", bytes_of(keyword + std::string(5, '\0') + xmp))};
  beit::DecodeOptions options;
  options.apply_exif_orientation = true;
  for (std::size_t i = 0; i < notes.size(); ++i) {
    for (const bool is_behind : {false, true}) {
      const Data png = joined({beginning(8, 0), is_behind ? pixels : notes[i], is_behind ? notes[i] : pixels, end});
      EXPECT_EQ(outcome(png), grey_levels) << i;
      const beit::Image turned = beit::decode_image(png.data(), png.size(), options);
      ASSERT_EQ(turned.height(), 2) << i;
      EXPECT_EQ(turned.data()[0], 50) << i;
      EXPECT_EQ(turned.data()[6], 10) << i;
      for (std::size_t cut = 8; cut < notes[i].size(); ++cut) {  // no part of a note is read beyond its end
        Data part(notes[i].begin() + 8, notes[i].begin() + static_cast<std::ptrdiff_t>(cut));
        const std::string type(notes[i].begin() + 4, notes[i].begin() + 8);
        if (type == "zTXt" && cut < 27) continue;
        const Data damaged = joined({beginning(8, 0), pixels, chunk(type, part), end});
        EXPECT_NO_THROW(beit::decode_image(damaged.data(), damaged.size(), options)) << i << " cut to " << cut;
      }
    }
  }
}

TEST(Inflater, ReturnsAStreamInPiecesOfAnySize) {
  Data bytes;
  for (std::size_t i = 0; i < 60000; ++i) bytes.push_back(static_cast<std::uint8_t>(i * i >> 7));
  const Data stream = stored(bytes);
  for (const std::size_t piece : {1u, 7u, 4096u, 59999u, 60000u}) {
    beit::detail::Inflater inflater(stream, piece);
    Data found;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const beit::detail::Bytes part = inflater.next(piece);
      found.insert(found.end(), part.begin(), part.end());
    }
    EXPECT_EQ(found, bytes) << piece;
    EXPECT_TRUE(inflater.next(1).empty());
    EXPECT_TRUE(inflater.ended());
  }
}

}  // namespace beit_test::png_test
