#include <beit/image/detail/exif.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <beit/image/image.hpp>

namespace beit_test::exif_test {

struct Entry {
  std::uint32_t tag = 0x0112, type = 3, value = 6;
};

/// EXIF with one directory of these entries, in either order of bytes; `count` is the number that it claims.
std::vector<std::uint8_t> exif(const std::vector<Entry>& entries, bool little, std::size_t count) {
  std::vector<std::uint8_t> bytes;
  const auto put = [&](std::uint32_t value, int size) {
    for (int i = 0; i < size; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(value >> 8 * (little ? i : size - 1 - i)));
    }
  };
  for (const char c : std::string(little ? "II" : "MM")) bytes.push_back(static_cast<std::uint8_t>(c));
  put(42, 2);
  put(8, 4);
  put(static_cast<std::uint32_t>(count), 2);
  for (const Entry& entry : entries) {
    put(entry.tag, 2);
    put(entry.type, 2);
    put(1, 4);
    const bool is_long = entry.type == 4 || entry.type == 9;
    put(entry.value, is_long ? 4 : 2);
    if (!is_long) put(0, 2);
  }
  return bytes;
}
std::vector<std::uint8_t> exif(const std::vector<Entry>& entries, bool little = true) {
  return exif(entries, little, entries.size());
}

TEST(ExifOrientation, IsReadInEitherOrderOfBytes) {
  for (const bool little : {true, false}) {
    for (std::uint32_t value = 1; value <= 8; ++value) {
      const Entry entry{.value = value};
      EXPECT_EQ(beit::detail::exif_orientation(exif({entry}, little)), value);
      EXPECT_EQ(beit::detail::exif_orientation(exif({{.tag = 0x010f}, entry}, little)), value);
      std::vector<std::uint8_t> segment{'E', 'x', 'i', 'f', 0, 0};
      beit::detail::append(segment, exif({entry}, little));
      EXPECT_EQ(beit::detail::exif_orientation(segment), value);
    }
  }
}

TEST(ExifOrientation, MayBeOfAnyTypeOfIntegers) {
  for (const bool little : {true, false}) {
    for (const std::uint32_t type : {3u, 4u, 8u, 9u}) {  // SHORT, LONG, SSHORT, SLONG
      EXPECT_EQ(beit::detail::exif_orientation(exif({{.type = type}}, little)), 6u) << type;
    }
    for (const std::uint32_t type : {0u, 1u, 2u, 5u, 7u, 14u, 65535u}) {
      EXPECT_EQ(beit::detail::exif_orientation(exif({{.type = type}}, little)), std::nullopt) << type;
      EXPECT_EQ(beit::detail::exif_orientation(exif({{.type = type}, {.value = 3}}, little)), 3u) << type;
    }
  }
}

TEST(ExifOrientation, IsUprightWhereNoneIsValid) {
  const auto orientation = [](const std::vector<std::uint8_t>& bytes) {
    return beit::detail::orientation_of(bytes, {});
  };
  EXPECT_EQ(orientation({}), 1);
  EXPECT_EQ(orientation(exif({})), 1);
  EXPECT_EQ(orientation(exif({{.tag = 0x010f}})), 1);
  EXPECT_EQ(orientation(exif({{.value = 0}})), 1);
  EXPECT_EQ(orientation(exif({{.value = 9}})), 1);
  EXPECT_EQ(orientation(exif({{.type = 4, .value = 0x60000}})), 1);
  EXPECT_EQ(orientation(exif({{.value = 9}, {.value = 6}})), 1);  // the first counts
  std::vector<std::uint8_t> other = exif({{}});
  other[0] = 'X';
  EXPECT_EQ(orientation(other), 1);
}

TEST(XmpOrientation, IsADigitInAnAttributeOrAnElement) {
  const auto orientation = [](const std::string& text) {
    const std::vector<std::uint8_t> xmp(text.begin(), text.end());
    return beit::detail::orientation_of({}, xmp);
  };
  EXPECT_EQ(orientation("<rdf:Description tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(orientation("<tiff:Orientation>3</tiff:Orientation>"), 3);
  EXPECT_EQ(orientation("tiff:Orientation=\"x\" tiff:Orientation=\"8\" tiff:Orientation=\"2\""), 8);
  for (const char* none : {"", "tiff:Orientation", "tiff:Orientation=\"", "tiff:Orientation=\"0\"",
                           "tiff:Orientation='6'", "tiff:Orientation>9", "exif:Orientation=\"6\""}) {
    EXPECT_EQ(orientation(none), 1) << none;
  }
}

TEST(XmpOrientation, CountsWhereExifHasNone) {
  const std::string text = "tiff:Orientation=\"6\"";
  const std::vector<std::uint8_t> xmp(text.begin(), text.end());
  EXPECT_EQ(beit::detail::orientation_of(exif({{.tag = 0x010f}}), xmp), 6);
  EXPECT_EQ(beit::detail::orientation_of(exif({{.value = 3}}), xmp), 3);
  EXPECT_EQ(beit::detail::orientation_of(exif({{.value = 9}}), xmp), 1);
}

TEST(ExifOrientation, IsLookedForInsideTheBytesOnly) {
  for (const bool little : {true, false}) {
    const std::vector<std::uint8_t> whole = exif({{.tag = 0x010f}, {}}, little);
    ASSERT_EQ(beit::detail::exif_orientation(whole), 6u);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // A copy of this size, so that a sanitizer sees what is read behind it.
      const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(beit::detail::exif_orientation(cut), std::nullopt) << size;
    }
    EXPECT_EQ(beit::detail::exif_orientation(exif({{.tag = 0x010f}}, little, 65535)), std::nullopt);
    std::vector<std::uint8_t> far = whole;
    far[little ? 7 : 4] = 0xff;  // the directory's place
    EXPECT_EQ(beit::detail::exif_orientation(far), std::nullopt);
  }
}

/// Numbers in rows.
using Grid = std::vector<std::vector<int>>;

Grid mirrored(Grid grid) {
  for (std::vector<int>& row : grid) row = {row.rbegin(), row.rend()};
  return grid;
}
Grid flipped(const Grid& grid) { return {grid.rbegin(), grid.rend()}; }
Grid transposed(const Grid& grid) {
  Grid result(grid[0].size());
  for (const std::vector<int>& row : grid) {
    for (std::size_t x = 0; x < row.size(); ++x) result[x].push_back(row[x]);
  }
  return result;
}

beit::Image image_of(const Grid& grid) {
  beit::Image image(static_cast<beit::Index>(grid.size()), static_cast<beit::Index>(grid[0].size()));
  std::uint8_t* out = image.data();
  for (const std::vector<int>& row : grid) {
    for (const int value : row) {
      for (int c = 0; c < 3; ++c) *out++ = static_cast<std::uint8_t>(value + 100 * c);
    }
  }
  return image;
}

Grid grid_of(const beit::Image& image) {
  Grid grid(static_cast<std::size_t>(image.height()));
  const std::uint8_t* in = image.data();
  for (std::vector<int>& row : grid) {
    for (beit::Index x = 0; x < image.width(); ++x, in += 3) {
      EXPECT_EQ(in[1], in[0] + 100);
      EXPECT_EQ(in[2], in[0] + 200);
      row.push_back(in[0]);
    }
  }
  return grid;
}

TEST(TurnUpright, MirrorsAndTurns) {
  for (const Grid& stored : {Grid{{1, 2, 3}, {4, 5, 6}}, Grid{{7}}, Grid{{1, 2}}, Grid{{1}, {2}, {3}}}) {
    const std::array<Grid, 9> wanted{stored,
                                     stored,
                                     mirrored(stored),
                                     flipped(mirrored(stored)),
                                     flipped(stored),
                                     transposed(stored),
                                     mirrored(transposed(stored)),
                                     flipped(mirrored(transposed(stored))),
                                     flipped(transposed(stored))};
    for (std::size_t orientation = 0; orientation < wanted.size(); ++orientation) {
      EXPECT_EQ(grid_of(beit::detail::turn_upright(image_of(stored), static_cast<int>(orientation))),
                wanted[orientation])
          << orientation;
    }
    EXPECT_EQ(grid_of(beit::detail::turn_upright(image_of(stored), 9)), stored);
  }
}

}  // namespace beit_test::exif_test
