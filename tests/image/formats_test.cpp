#include <beit/image/formats.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
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
  std::istringstream list(file_text(image_path("decode_optional.txt")) +
                          file_text(image_path("decode_optional_pillow_13.txt")));
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
  EXPECT_GE(files, 21);
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

TEST(Formats, NamesThoseThatAreKnownAndNotRead) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> files{
      {"\xff\x0a"s, "JPEG XL"},
      {"\0\0\0\x0cJXL \r\n\x87\n"s, "JPEG XL"},
      {"\0\0\0\x0cjP  \r\n\x87\n"s, "JPEG 2000"},
      {"\xff\x4f\xff\x51"s, "JPEG 2000"},
      {"8BPS"s, "PSD"},
      {"\0\0\1\0"s, "ICO"},
      {"\0\0\0\x18"
       "ftypcrx "s,
       "camera RAW (Canon CR3)"},
      {"FUJIFILMCCD-RAW"s, "camera RAW (Fujifilm RAF)"},
      {"IIU\0"s, "camera RAW (Panasonic RW2)"},
  };
  for (const auto& [text, name] : files) {
    const std::string file = text + std::string(64, '\0');
    EXPECT_THAT(refusal_of({file.begin(), file.end()}), testing::StartsWith("some.name: found a file in the format " +
                                                                            name + ", which isn't read; wanted JPEG"));
  }
}

TEST(Formats, AreNamedInMessagesAboutDamage) {
  using namespace std::string_literals;
  const auto refusal = [](const std::string& text) { return refusal_of({text.begin(), text.end()}); };
  EXPECT_THAT(refusal("\xff\xd8\xff\xc0\0\x0b\x0c\0\1\0\1\1\1\x11\0\xff\xd9"s), testing::HasSubstr("JPEG"));
  EXPECT_THAT(refusal("BM"s + std::string(200, '\1')), testing::HasSubstr("BMP"));
  EXPECT_THAT(refusal(std::string(64, 'x')), testing::StartsWith("some.name: found no image in a known format"));
  for (const std::string& text : {"BM"s + std::string(200, '\1'), std::string(64, 'x'), "GIF89a"s}) {
    EXPECT_THAT(refusal(text), testing::Not(testing::HasSubstr("()")));
    EXPECT_THAT(refusal(text), testing::Not(testing::HasSubstr("unknown image type")));
  }
}

/// A TIFF of one grey pixel with these further tags, each of one number, in rising order on either side of 256.
std::vector<std::uint8_t> tiff_with(std::vector<std::array<std::uint32_t, 3>> tags) {
  for (const auto& [tag, value] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {256, 1}, {257, 1}, {258, 8}, {259, 1}, {262, 1}, {273, 4}, {277, 1}, {278, 1}, {279, 1}}) {
    tags.push_back({tag, 3, value});  // SHORT
  }
  std::sort(tags.begin(), tags.end());
  std::vector<std::uint8_t> bytes{'I', 'I', '*', 0, 8, 0, 0, 0, static_cast<std::uint8_t>(tags.size()), 0};
  const auto put = [&](std::uint32_t number, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(number >> 8 * i));
  };
  for (const auto& [tag, type, value] : tags) {
    put(tag, 2);
    put(type, 2);
    put(type == 1 ? 4 : 1, 4);
    put(value, 4);
  }
  put(0, 4);
  return bytes;
}

TEST(Formats, TiffSaysWhatStoppedTheLibrary) {
  if (row_of("a.tif").decode == nullptr) GTEST_SKIP() << "this build is without libtiff";
  EXPECT_EQ(refusal_of(tiff_with({})), "no error");
  EXPECT_EQ(refusal_of({'I', 'I', '*', 0, 0xa0, 0x0f, 0, 0, 0, 0, 0, 0}),
            "some.name: damaged, truncated or unknown TIFF (Failed to read directory at offset 4000)");
}

TEST(Formats, ADngsPreviewIsNoPhotograph) {
  if (row_of("a.tif").decode == nullptr) GTEST_SKIP() << "this build is without libtiff";
  const std::array<std::uint32_t, 3> preview{254, 4, 1}, dng{50706, 1, 0x401}, photograph{330, 4, 8};
  EXPECT_EQ(refusal_of(tiff_with({preview})), "no error");
  EXPECT_EQ(refusal_of(tiff_with({dng})), "no error");
  EXPECT_THAT(refusal_of(tiff_with({preview, dng})),
              testing::HasSubstr("found a DNG of which only the preview of 1 x 1 pixels can be read"));
  EXPECT_THAT(refusal_of(tiff_with({preview, photograph})), testing::HasSubstr("found a camera's TIFF of which only"));
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
