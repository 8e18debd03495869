#include <beit/image/decode.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#if !defined(_WIN32)
#include <sys/stat.h>
#endif

#include "golden.hpp"

namespace beit_test::decode_test {

using testing::AllOf;
using testing::HasSubstr;

beit::Image decode(const std::vector<std::uint8_t>& bytes, const beit::DecodeOptions& options = {}) {
  return beit::decode_image(std::span<const std::uint8_t>(bytes), options, "some.name");
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::vector<std::uint8_t> pixels_of(const beit::Image& image) { return {image.data(), image.data() + image.size()}; }

/// Changes the marker of every segment of one kind to another.
void replace_marker(std::vector<std::uint8_t>& jpeg, std::uint8_t from, std::uint8_t to) {
  for (std::size_t i = 0; i + 1 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == from) jpeg[i + 1] = to;
  }
}

TEST(Decode, GivesPillowsPixels) {
  // The second list has images that older versions of Pillow read otherwise or not.
  std::istringstream list(file_text(image_path("decode.txt")) + file_text(image_path("decode_pillow_13.txt")));
  std::string name;
  beit::Index height = 0, width = 0;
  std::uint32_t crc = 0;
  int files = 0;
  while (list >> name >> height >> width >> crc) {
    const beit::Image image = beit::read_image(image_path(name));
    ASSERT_EQ(image.height(), height) << name;
    ASSERT_EQ(image.width(), width) << name;
    EXPECT_EQ(crc32(image.data(), static_cast<std::size_t>(image.size())), crc) << name;
    ++files;
  }
  EXPECT_GE(files, 52);
}

TEST(Decode, MemoryAndFileAgree) {
  const std::vector<std::uint8_t> bytes = read_bytes(image_path("landscape.png"));
  const auto wanted = pixels_of(beit::read_image(image_path("landscape.png")));
  EXPECT_EQ(pixels_of(beit::decode_image(bytes.data(), bytes.size())), wanted);
  EXPECT_EQ(pixels_of(beit::decode_image(std::as_bytes(std::span(bytes)))), wanted);
}

TEST(Decode, ScalesPnmByItsLargestValue) {
  // round(value / largest * 255), halves to even, as Pillow's PpmDecoder.
  EXPECT_EQ(pixels_of(decode(bytes_of(std::string("P6 1 1 2\n\x01\x02\x00", 12)))),
            (std::vector<std::uint8_t>{128, 255, 0}));
  // Above the largest value: white.
  EXPECT_EQ(pixels_of(decode(bytes_of("P5 1 1 10\n\xff"))), (std::vector<std::uint8_t>{255, 255, 255}));
}

TEST(Decode, ClipsTheFloatsOfPfmFromTheBottomUp) {
  // 1, 300, -1 and 7.9, the lowest byte first; and 7.9 the other way.
  const std::string values("\0\0\x80\x3f\0\0\x96\x43\0\0\x80\xbf\xcd\xcc\xfc\x40", 16);
  EXPECT_EQ(pixels_of(decode(bytes_of("Pf # comment\n2 2\n-1.0\n" + values))),
            (std::vector<std::uint8_t>{0, 0, 0, 7, 7, 7, 1, 1, 1, 255, 255, 255}));
  EXPECT_EQ(pixels_of(decode(bytes_of("Pf 1 1 1e0\n\x40\xfc\xcc\xcd"))), (std::vector<std::uint8_t>{7, 7, 7}));
  for (const char* scale : {"0", "-0.0", "one", "inf", "-", "0e9"}) {
    EXPECT_THAT(message_of([&] { decode(bytes_of(std::string("Pf 1 1 ") + scale + "\nabcd")); }),
                HasSubstr("found no number other than 0 for its scale"))
        << scale;
  }
  EXPECT_THAT(message_of([] { decode(bytes_of("Pf 1 1 -1\nabc")); }), HasSubstr("truncated"));
  EXPECT_THAT(message_of([] { decode(bytes_of("Pfm 1 1 -1\nabcd")); }), HasSubstr("found no space"));
}

TEST(Decode, ReadsPnmInText) {
  EXPECT_EQ(pixels_of(decode(bytes_of("P2 # a comment\n2 1 2\n1 # one\n2"))),
            (std::vector<std::uint8_t>{128, 128, 128, 255, 255, 255}));
  EXPECT_EQ(pixels_of(decode(bytes_of("P3\n1 1\n1000\n0 500 1000\n"))), (std::vector<std::uint8_t>{0, 128, 255}));
  const std::vector<std::uint8_t> black_white{0, 0, 0, 255, 255, 255};
  EXPECT_EQ(pixels_of(decode(bytes_of("P1 2 1\n10"))), black_white);
  EXPECT_EQ(pixels_of(decode(bytes_of("P1 2 1 1# comment\n 0\n"))), black_white);
  EXPECT_EQ(pixels_of(decode(bytes_of("P4 2 1\n\xbf"))), black_white);
  EXPECT_THAT(message_of([] { decode(bytes_of("P3 1 1 255 1 2 256")); }), HasSubstr("found a value of 256, wanted"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P1 2 1 12")); }), HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P1 2 1 1\n")); }), HasSubstr("truncated"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P2 3 1 255 1 22222")); }), HasSubstr("found a value of 22222"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P2 2 1 255 1  \n")); }), HasSubstr("truncated"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P4 9 2 \x01\x02\x03")); }), HasSubstr("truncated"));
}

TEST(Decode, KeepsTheHighByteOfGreyOf16Bits) {
  EXPECT_EQ(pixels_of(decode(bytes_of("P5 1 1 65535\n\x12\xff"))), (std::vector<std::uint8_t>{0x12, 0x12, 0x12}));
}

TEST(Decode, AppliesTheExifOrientationOnlyWhenAsked) {
  // The file has three by two blocks of 8 x 8 pixels, flat except for the coder's rounding.
  const auto centres = [](const beit::Image& image) {
    std::vector<int> levels;
    for (beit::Index y = 4; y < image.height(); y += 8) {
      for (beit::Index x = 4; x < image.width(); x += 8) levels.push_back(image.data()[(y * image.width() + x) * 3]);
    }
    return levels;
  };
  const std::vector<int> stored{40, 90, 140, 190, 240, 15};
  // The results of PIL.ImageOps.exif_transpose for rows {a b c}, {d e f}.
  const std::vector<std::vector<int>> upright{{40, 90, 140, 190, 240, 15}, {140, 90, 40, 15, 240, 190},
                                              {15, 240, 190, 140, 90, 40}, {190, 240, 15, 40, 90, 140},
                                              {40, 190, 90, 240, 140, 15}, {190, 40, 240, 90, 15, 140},
                                              {15, 140, 240, 90, 190, 40}, {140, 15, 90, 240, 40, 190}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto path = image_path("orientation_" + std::to_string(orientation) + ".jpg");
    beit::DecodeOptions options;
    EXPECT_EQ(centres(beit::read_image(path, options)), stored);
    options.apply_exif_orientation = true;
    const beit::Image turned = beit::read_image(path, options);
    EXPECT_EQ(turned.width(), orientation >= 5 ? 16 : 24);
    EXPECT_EQ(centres(turned), upright[static_cast<std::size_t>(orientation - 1)]) << orientation;
  }
}

TEST(Decode, RefusesTruncatedFiles) {
  for (const char* name : {"orientation_1.jpg", "mode_RGB.bmp", "mode_P.bmp", "small.gif", "transparent.gif",
                           "small.ppm", "small.pgm", "small.pbm"}) {
    const std::vector<std::uint8_t> whole = read_bytes(image_path(name));
    // The end of a GIF's blocks, its trailer and the padding of BMP's last row aren't needed.
    const std::size_t needed =
        whole.size() - (std::string(name).ends_with("gif") || std::string(name).ends_with("bmp") ? 2 : 0);
    ASSERT_NO_THROW(decode(whole)) << name;
    for (std::size_t size = 0; size < needed; ++size) {
      const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THROW(decode(part), beit::ImageError) << name << " cut to " << size << " of " << whole.size();
    }
  }
  // TGA ends with an optional footer of 26 bytes.
  for (const char* name : {"mode_RGB.tga", "mode_P.tga", "mode_RGBA_rle.tga", "mode_L_rle.tga"}) {
    const std::vector<std::uint8_t> whole = read_bytes(image_path(name));
    for (std::size_t size = 0; size + 26 < whole.size(); ++size) {
      const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THROW(decode(part), beit::ImageError) << name << " cut to " << size << " of " << whole.size();
    }
  }
}

TEST(Decode, SaysThatAFileIsTruncated) {
  for (const char* name : {"orientation_1.jpg", "landscape.png", "mode_RGB.bmp", "small.gif", "small.ppm"}) {
    std::vector<std::uint8_t> bytes = read_bytes(image_path(name));
    bytes.resize(bytes.size() * 3 / 4);
    EXPECT_THAT(message_of([&] { decode(bytes); }), AllOf(HasSubstr("some.name: "), HasSubstr("truncated"))) << name;
  }
}

/// A PNG of 8-bit grey pixels with this compressed data.
std::vector<std::uint8_t> png_of(std::uint32_t height, std::uint32_t width, const std::vector<std::uint8_t>& data) {
  std::vector<std::uint8_t> png = bytes_of("\x89PNG\r\n\x1a\n");
  const auto append_number = [&](std::size_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) png.push_back(static_cast<std::uint8_t>(number >> shift));
  };
  const auto append_chunk = [&](const std::string& type, const std::vector<std::uint8_t>& content) {
    append_number(content.size());
    png.insert(png.end(), type.begin(), type.end());
    png.insert(png.end(), content.begin(), content.end());
    append_number(crc32(png.data() + png.size() - content.size() - 4, content.size() + 4));
  };
  std::vector<std::uint8_t> header;
  for (const std::uint32_t side : {width, height}) {
    for (int shift = 24; shift >= 0; shift -= 8) header.push_back(static_cast<std::uint8_t>(side >> shift));
  }
  header.insert(header.end(), {8, 0, 0, 0, 0});
  append_chunk("IHDR", header);
  append_chunk("IDAT", data);
  append_chunk("IEND", {});
  return png;
}

/// Zeros compressed as zlib does: one byte, then `repeats` times a copy, in 13 bits, of the 258 bytes that begin one
/// byte earlier.
std::vector<std::uint8_t> deflated_zeros(int repeats) {
  std::vector<std::uint8_t> data{0x78, 0x01};
  int used = 8;
  const auto append_bits = [&](const std::string& bits) {
    for (const char bit : bits) {
      if (used == 8) {
        data.push_back(0);
        used = 0;
      }
      data.back() = static_cast<std::uint8_t>(data.back() | (bit - '0') << used++);
    }
  };
  append_bits("110");       // the last block, with the fixed codes
  append_bits("00110000");  // a zero
  for (int i = 0; i < repeats; ++i) append_bits("1100010100000");
  append_bits("0000000");  // the end
  data.insert(data.end(), 4, 0);
  return data;
}

TEST(Decode, RefusesMorePixelsThanTheLimit) {
  EXPECT_THAT(message_of([&] { decode(png_of(14944, 14944, deflated_zeros(1))); }),
              AllOf(HasSubstr("some.name: "), HasSubstr("found 14944 x 14944 pixels (223323136)"),
                    HasSubstr("wanted at most 178956970")));
  beit::DecodeOptions options;
  options.max_pixels = 45 * 30 - 1;
  EXPECT_THAT(message_of([&] { beit::read_image(image_path("landscape.png"), options); }),
              AllOf(HasSubstr("landscape.png"), HasSubstr("found 30 x 45 pixels (1350), wanted at most 1349")));
  options.max_pixels = 45 * 30;
  EXPECT_NO_THROW(beit::read_image(image_path("landscape.png"), options));
  EXPECT_THAT(message_of([&] { decode(bytes_of("P6 99999 99999 255\n")); }), HasSubstr("found 99999 x 99999 pixels"));
}

TEST(Decode, ReadsNoMoreOfAPngThanItsPixels) {
  EXPECT_EQ(pixels_of(decode(png_of(258, 257, deflated_zeros(258)))),  // each row has one byte more
            std::vector<std::uint8_t>(std::size_t{3} * 258 * 257, 0));
  // 26 million bytes of 160,000 follow the pixels.
  EXPECT_EQ(pixels_of(decode(png_of(1, 1, deflated_zeros(100'000)))), std::vector<std::uint8_t>(3, 0));
}

TEST(Decode, RefusesAPngWithoutDataEnoughForItsPixels) {
  // Refused at 1032 bytes per byte, before memory is allocated for the pixels.
  EXPECT_THAT(
      message_of([] { decode(png_of(13000, 13000, deflated_zeros(1))); }),
      HasSubstr("some.name: truncated: found 10 bytes of compressed data, which can't be 13000 x 13000 pixels"));
  EXPECT_THAT(message_of([] { decode(png_of(100, 101, deflated_zeros(1))); }), HasSubstr("damaged PNG"));
}

TEST(Decode, RefusesImagesWithoutPixels) {
  EXPECT_THAT(message_of([] { decode({}); }), HasSubstr("some.name: found an empty file"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P6 0 0 255\n")); }), HasSubstr("found 0 x 0 pixels, wanted at least"));
  EXPECT_THAT(message_of([] { decode(png_of(0, 0, deflated_zeros(1))); }),
              HasSubstr("found 0 x 0 pixels, wanted at least 1 x 1"));
  std::vector<std::uint8_t> bmp = read_bytes(image_path("mode_RGB.bmp"));
  std::fill_n(bmp.begin() + 18, 8, std::uint8_t{0});
  EXPECT_THAT(message_of([&] { decode(bmp); }), HasSubstr("found 0 x 0 pixels"));
}

TEST(Decode, RefusesWhatIsNoImage) {
  EXPECT_THAT(message_of([] { decode(bytes_of("Just some text, nothing to look at.\n")); }),
              AllOf(HasSubstr("some.name: found no image"), HasSubstr("wanted JPEG, PNG")));
  EXPECT_THAT(message_of([] { decode(bytes_of("P6 three 4 255\n")); }), HasSubstr("no number for its width"));
  EXPECT_THAT(message_of([] { decode(bytes_of("P6 3 4 70000\n")); }), HasSubstr("largest value of 70000"));
}

TEST(Decode, TakesTheStandardsHuffmanTablesWhereAJpegHasNone) {
  std::vector<std::uint8_t> bytes = read_bytes(image_path("orientation_1.jpg"));  // already has such bytes
  const auto wanted = pixels_of(decode(bytes));
  replace_marker(bytes, 0xc4, 0xfe);
  EXPECT_EQ(pixels_of(decode(bytes)), wanted);
}

TEST(Decode, PassesOverWhatMeansNothingBeforeTheEndOfAJpeg) {
  const std::vector<std::uint8_t> whole = read_bytes(image_path("orientation_1.jpg"));
  const auto wanted = pixels_of(decode(whole));
  const std::vector<std::vector<std::uint8_t>> meaningless{
      {0xff, 0x01}, {0xff, 0x00, 0x12, 0x34}, {0x12, 0x34}, {0xff, 0xd3, 0x56}, {0xff, 0xff, 0x01}, {0x00}, {0xff}};
  for (std::size_t kind = 0; kind < meaningless.size(); ++kind) {
    for (const std::size_t times : {1u, 2u, 100u}) {
      std::vector<std::uint8_t> bytes(whole.begin(), whole.end() - 2);
      for (std::size_t i = 0; i < times; ++i) {
        bytes.insert(bytes.end(), meaningless[kind].begin(), meaningless[kind].end());
      }
      bytes.insert(bytes.end(), {0xff, 0xd9});
      EXPECT_EQ(pixels_of(decode(bytes)), wanted) << kind << " x " << times;
    }
  }
}

TEST(Decode, LosesOnlyARestartIntervalOfAJpeg) {
  const std::vector<std::uint8_t> whole = read_bytes(image_path("restarts.jpg"));  // six blocks, an interval each
  const beit::Image wanted = decode(whole);
  int markers = 0;
  for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
    if (whole[i] != 0xff || whole[i + 1] < 0xd0 || whole[i + 1] > 0xd7) continue;
    ++markers;
    std::vector<std::uint8_t> longer = whole;
    longer.insert(longer.begin() + static_cast<std::ptrdiff_t>(i), {0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78});
    EXPECT_EQ(pixels_of(decode(longer)), pixels_of(wanted)) << markers;
    // Without the marker, the next interval is grey, as in libjpeg.
    std::vector<std::uint8_t> shorter = whole;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i),
                  shorter.begin() + static_cast<std::ptrdiff_t>(i + 2));
    const beit::Image found = decode(shorter);
    for (int block = 0; block < 6; ++block) {
      const beit::Index at = ((block / 3 * 8 + 4) * 24 + block % 3 * 8 + 4) * 3;
      const bool lost = block == markers;
      EXPECT_EQ(found.data()[at], lost ? 128 : wanted.data()[at]) << markers << " " << block;
    }
  }
  EXPECT_EQ(markers, 5);
}

#if !BEIT_USE_LIBJPEG_TURBO  // libjpeg-turbo checks these itself

TEST(Decode, RefusesAHuffmanTableThatIsTooLong) {
  std::vector<std::uint8_t> bytes{0xff, 0xd8, 0xff, 0xc4, 0x02, 0x03, 0x00};
  bytes.insert(bytes.end(), 16, 0x1f);
  bytes.insert(bytes.end(), 496, 0);
  EXPECT_THAT(message_of([&] { decode(bytes); }), HasSubstr("Huffman table of 496 codes"));
  bytes.insert(bytes.begin(), 3, 0xff);  // fill bytes before the start of the image
  EXPECT_THAT(message_of([&] { decode(bytes); }), HasSubstr("Huffman table of 496 codes"));
}

TEST(Decode, RefusesAJpegWithoutQuantisationTables) {
  std::vector<std::uint8_t> bytes = read_bytes(image_path("orientation_1.jpg"));
  ASSERT_NO_THROW(decode(bytes));
  replace_marker(bytes, 0xdb, 0xfe);
  EXPECT_THAT(message_of([&] { decode(bytes); }), HasSubstr("no quantisation"));
}

TEST(Decode, RefusesAProgressiveJpegWithoutHuffmanTables) {
  std::vector<std::uint8_t> bytes = read_bytes(image_path("orientation_1.jpg"));
  replace_marker(bytes, 0xc4, 0xfe);
  replace_marker(bytes, 0xc0, 0xc2);
  EXPECT_THAT(message_of([&] { decode(bytes); }), HasSubstr("no Huffman table"));
}

TEST(Decode, NamesJpegsThatAreNotRead) {
  std::vector<std::uint8_t> bytes = read_bytes(image_path("orientation_1.jpg"));
  replace_marker(bytes, 0xc0, 0xc9);
  EXPECT_THAT(message_of([&] { decode(bytes); }), HasSubstr("arithmetic-coded JPEG (frame type 9)"));
  bytes = {0xff, 0xd8, 0xff, 0xc1, 0, 11, 12, 0, 1, 0, 1, 1, 1, 0x11, 0, 0xff, 0xd9};
  EXPECT_THAT(message_of([&] { decode(bytes); }), HasSubstr("found a JPEG of 12 bits per sample, wanted 8"));
}

#endif

TEST(ReadImage, RefusesPathsThatCannotBeRead) {
  EXPECT_THROW(beit::read_image("no/such/image.png"), beit::FileError);
  EXPECT_THAT(message_of([] { beit::read_image("no/such/image.png"); }),
              AllOf(HasSubstr("image.png"), HasSubstr("found nothing there")));
  EXPECT_THROW(beit::read_image(BEIT_TESTS_DIR), beit::FileError);
  EXPECT_THAT(message_of([] { beit::read_image(BEIT_TESTS_DIR); }), HasSubstr("found a directory"));
#if !defined(_WIN32)
  EXPECT_EQ(message_of([] { beit::read_image(std::string(300, 'x')); }),
            std::string(300, 'x') + ": can't be opened: " + std::generic_category().message(ENAMETOOLONG));
  EXPECT_EQ(message_of([] { beit::read_image("/dev/null"); }),
            "/dev/null: is not a regular file, wanted an image file");
#endif
  EXPECT_THAT(message_of([] { beit::read_image(image_path("decode.txt")); }),
              AllOf(HasSubstr("decode.txt"), HasSubstr("found no image")));
}

TEST(ReadImage, RefusesAnEmptyFile) {
  const auto path = std::filesystem::path(testing::TempDir()) / "beit_decode_test_empty.png";
  std::ofstream(path).close();
  const std::string message = message_of([&] { beit::read_image(path); });
  std::filesystem::remove(path);
  EXPECT_THAT(message, testing::EndsWith("beit_decode_test_empty.png: found an empty file, wanted an image"));
}

#if !defined(_WIN32) && !defined(__EMSCRIPTEN__)
TEST(ReadImage, DoesNotWaitForANamedPipe) {
  const auto path = std::filesystem::path(testing::TempDir()) / "beit_decode_test_pipe.png";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const std::string message = message_of([&] { beit::read_image(path); });
  std::filesystem::remove(path);
  EXPECT_THAT(message, testing::EndsWith("beit_decode_test_pipe.png: is not a regular file, wanted an image file"));
}
#endif

TEST(ReadImage, SaysThatPermissionIsDenied) {
  namespace fs = std::filesystem;
  const fs::path path = fs::path(testing::TempDir()) / "beit_decode_test_forbidden.png";
  std::ofstream(path) << "content";
  fs::permissions(path, fs::perms::none);
  const bool is_readable = std::ifstream(path).good();
  const std::string message = message_of([&] { beit::read_image(path); });
  fs::permissions(path, fs::perms::owner_all);
  fs::remove(path);
  if (is_readable) GTEST_SKIP() << "this user, or system, reads whatever there is";
  EXPECT_THAT(message, HasSubstr("beit_decode_test_forbidden.png: can't be opened: Permission denied"));
}

}  // namespace beit_test::decode_test
