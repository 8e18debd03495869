#include <beit/image/formats.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/core/concat.hpp>
#include <beit/image/decode.hpp>

#include "golden.hpp"

namespace beit_test::formats_test {

using beit::detail::ImageFormat;

/// The row that has a golden file's extension.
const ImageFormat& row_of(const std::string& name) {
  const std::string extension = std::filesystem::path(name).extension().string();
  for (const ImageFormat& format : beit::detail::image_format_table) {
    if (std::find(format.extensions.begin(), format.extensions.end(), extension) != format.extensions.end()) {
      return format;
    }
  }
  throw std::invalid_argument("no format has the extension of " + name);
}

std::string refusal_of(const std::vector<std::uint8_t>& bytes, const beit::DecodeOptions& options = {}) {
  return message_of<beit::ImageError>([&] { beit::decode_image(bytes.data(), bytes.size(), options, "some.name"); });
}

TEST(Formats, AreKnownByTheirFirstBytes) {
  using namespace std::string_literals;
  const auto name_of = [](const std::string& text) {
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    return std::string(beit::detail::format_of(bytes).name);
  };
  EXPECT_EQ(name_of("\xff\xd8"), "JPEG");
  EXPECT_EQ(name_of("\xff\xff\xd8"), "JPEG");
  EXPECT_EQ(name_of("\x89PNG\r\n\x1a\n"), "PNG");
  EXPECT_EQ(name_of("BM"), "BMP");
  EXPECT_EQ(name_of("GIF87a"), "GIF");
  EXPECT_EQ(name_of("GIF89a"), "GIF");
  for (const char* magic : {"P1", "P4"}) EXPECT_EQ(name_of(magic), "PBM");
  for (const char* magic : {"P2", "P5"}) EXPECT_EQ(name_of(magic), "PGM");
  for (const char* magic : {"P3", "P6"}) EXPECT_EQ(name_of(magic), "PPM");
  EXPECT_EQ(name_of("Pf"), "PFM");
  EXPECT_EQ(name_of("qoif"), "QOI");
  EXPECT_EQ(name_of("RIFF\4\0\0\0WEBP"s), "WebP");
  EXPECT_EQ(name_of("RIFF\4\0\0\0WAVE"s), "TGA");
  for (const std::string& magic : {"II*\0"s, "MM\0*"s, "II+\0"s, "MM\0+"s}) EXPECT_EQ(name_of(magic), "TIFF");
  EXPECT_EQ(name_of("II*"), "TGA");
  // A box "ftyp": its brand, a version, and the brands that it is compatible with.
  const auto box = [](const std::string& brands, char size) { return "\0\0\0"s + size + "ftyp" + brands; };
  EXPECT_EQ(name_of(box("avif", 12)), "AVIF");
  EXPECT_EQ(name_of(box("avis", 12)), "AVIF");
  for (const std::string brand : {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"}) {
    EXPECT_EQ(name_of(box(brand, 12)), "HEIC") << brand;
  }
  EXPECT_EQ(name_of(box("mif1\0\0\0\0miafavif"s, 24)), "AVIF");
  EXPECT_EQ(name_of(box("msf1\0\0\0\0avis"s, 20)), "AVIF");
  EXPECT_EQ(name_of(box("mif1\0\0\0\0heicavif"s, 20)), "HEIC");  // behind the box's end
  EXPECT_EQ(name_of(box("mif1\0\0\0\0heicavi"s, 24)), "HEIC");   // cut off
  EXPECT_EQ(name_of(box("heic\0\0\0\0mif1avif"s, 24)), "HEIC");
  EXPECT_EQ(name_of(box("isom\0\0\0\0avif"s, 20)), "TGA");
  EXPECT_EQ(name_of(box("avi", 12)), "TGA");
  for (const char* other : {"", "P", "P0", "P7", "B", "GIF88a", "\xff", "\x89PNG\r\n\x1a"})
    EXPECT_EQ(name_of(other), "TGA");
  // A comment that reads as a box.
  EXPECT_EQ(name_of("P5 #ftypavif\n1 1 255\n."), "PGM");
}

TEST(Formats, OptionalOnesGiveTheOraclesPixelsOrSayWhatIsMissing) {
  std::ifstream list(image_path("decode_optional.txt"));
  std::string name;
  beit::Index height = 0, width = 0;
  std::uint32_t crc = 0;
  int files = 0;
  while (list >> name >> height >> width >> crc) {
    const ImageFormat& format = row_of(name);
    ASSERT_FALSE(format.library.empty()) << name;
    ++files;
    const std::vector<std::uint8_t> bytes = read_bytes(image_path(name));
    EXPECT_EQ(beit::is_image_name(name), format.decode != nullptr) << name;
    if (format.decode == nullptr) {
      EXPECT_THAT(refusal_of(bytes),
                  testing::StartsWith("some.name: found a file in the format " + std::string(format.name) +
                                      ", which this build can't read without " + std::string(format.library)));
      continue;
    }
    const beit::Image image = beit::read_image(image_path(name));
    ASSERT_EQ(image.height(), height) << name;
    ASSERT_EQ(image.width(), width) << name;
    EXPECT_EQ(crc32(image.data(), static_cast<std::size_t>(image.size())), crc) << name;
  }
  EXPECT_GE(files, 19);
}

TEST(Formats, OptionalOnesAreRefusedTruncatedAndTooLarge) {
  for (const char* name :
       {"lossy.webp", "lossless.webp", "RGB_lzw.tif", "1_group4.tif", "L_raw.tif", "lossless.avif", "lossless.heic"}) {
    if (row_of(name).decode == nullptr) continue;
    const std::vector<std::uint8_t> whole = read_bytes(image_path(name));
    ASSERT_EQ(refusal_of(whole), "no error") << name;
    // A TIFF's last four bytes say that no further image follows.
    const std::size_t needed = whole.size() - (row_of(name).name == "TIFF" ? 4 : 1);
    for (std::size_t size = 0; size < needed; ++size) {
      EXPECT_NE(refusal_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), "no error")
          << name << " cut to " << size << " of " << whole.size();
    }
    beit::DecodeOptions options;
    options.max_pixels = 10;
    EXPECT_THAT(refusal_of(whole, options), testing::HasSubstr("wanted at most 10 (max_pixels)")) << name;
  }
}

TEST(Formats, ImageNames) {
  for (const char* name : {"a.jpg", "b/c.JPEG", "c.jpe", "d.PnG", "e.pbm", "f.x.gif"}) {
    EXPECT_TRUE(beit::is_image_name(name)) << name;
  }
  for (const char* name : {"a", "a.", "jpg", ".jpg", "a.jpg.txt", "a.webpx", "a.tar"}) {
    EXPECT_FALSE(beit::is_image_name(name)) << name;
  }
  for (const ImageFormat& format : beit::detail::image_format_table) {
    const std::string name = beit::detail::concat({"a", format.extensions[0]});
    EXPECT_EQ(beit::is_image_name(name), format.decode != nullptr) << name;
  }
}

TEST(Formats, NamesThoseThatAreRead) {
  std::string wanted = "JPEG, PNG, BMP, GIF, TGA, PBM, PGM, PPM, PFM";
  std::string last = "QOI";
  for (const ImageFormat& format : beit::detail::image_format_table) {
    if (format.library.empty() || format.decode == nullptr) continue;
    wanted += ", " + last;
    last = format.name;
  }
  EXPECT_EQ(beit::image_formats(), wanted + " or " + last);
}

}  // namespace beit_test::formats_test
