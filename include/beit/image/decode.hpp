// Image files to RGB: what Pillow's Image.open(path).convert("RGB") gives, decoded by stb_image, or JPEGs by
// libjpeg-turbo where BEIT_USE_LIBJPEG_TURBO is set.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/gif.hpp>
#include <beit/image/detail/jpeg.hpp>
#include <beit/image/detail/jpeg_turbo.hpp>
#include <beit/image/detail/palettes.hpp>
#include <beit/image/detail/pnm.hpp>
#include <beit/image/detail/stb_image.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

struct DecodeOptions {
  /// An image with more pixels is an error, before memory is taken for it. Pillow's own.
  std::int64_t max_pixels = 178'956'970;
  /// Turn a JPEG upright as its EXIF orientation says, as PIL.ImageOps.exif_transpose does. timm doesn't.
  bool apply_exif_orientation = false;
};

namespace detail {

/// Feeds stb_image and sees when it asks for more than there is: it goes on with zeros and would show a grey rest.
struct StbReader {
  Bytes bytes;
  std::size_t position = 0;
  bool past_end = false;

  static int read(void* user, char* out, int size) {
    StbReader& reader = *static_cast<StbReader*>(user);
    const std::size_t wanted = static_cast<std::size_t>(std::max(size, 0));
    const std::size_t count = std::min(wanted, reader.bytes.size() - reader.position);
    // stb_image refills a buffer of 128 bytes ahead of need, but only when that is empty.
    constexpr std::size_t buffer_bytes = 128;
    if (count == 0 || (count < wanted && wanted != buffer_bytes)) reader.past_end = true;
    std::copy_n(reader.bytes.data() + reader.position, count, reinterpret_cast<std::uint8_t*>(out));
    reader.position += count;
    return static_cast<int>(count);
  }
  static void skip(void* user, int count) {
    StbReader& reader = *static_cast<StbReader*>(user);
    reader.position += std::min(static_cast<std::size_t>(std::max(count, 0)), reader.bytes.size() - reader.position);
  }
  static int eof(void* user) {
    const StbReader& reader = *static_cast<const StbReader*>(user);
    return reader.position >= reader.bytes.size() ? 1 : 0;
  }
  static constexpr stb::stbi_io_callbacks callbacks() { return {&read, &skip, &eof}; }
};

[[noreturn]] inline void fail_as_stb(const ImageFile& file, const StbReader& reader) {
  if (reader.past_end) {
    file.fail("truncated: the image goes on after the " + std::to_string(file.bytes.size()) + " bytes found");
  }
  const char* reason = stb::stbi_failure_reason();
  file.fail(std::string("found no image that can be read (") + (reason == nullptr ? "unknown" : reason) +
            "), wanted JPEG, PNG, BMP, GIF, TGA, PGM or PPM");
}

/// Throws ImageError for an image of no pixels or of more than the limit.
inline void check_size(const ImageFile& file, std::int64_t height, std::int64_t width, std::int64_t max_pixels) {
  const std::string found = "found " + std::to_string(height) + " x " + std::to_string(width) + " pixels";
  if (height < 1 || width < 1) file.fail(found + ", wanted at least 1 x 1");
  if (height > max_pixels / width) {
    file.fail(found + " (" + std::to_string(height * width) + "), wanted at most " + std::to_string(max_pixels) +
              " (max_pixels)");
  }
}

inline Size read_size_by_stb(const ImageFile& file) {
  StbReader reader{file.bytes};
  const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
  int width = 0, height = 0, channels = 0;
  if (stb::stbi_info_from_callbacks(&callbacks, &reader, &width, &height, &channels) == 0) fail_as_stb(file, reader);
  // A BMP whose rows go from top to bottom has a negative height.
  return {std::abs(static_cast<Index>(height)), static_cast<Index>(width)};
}

inline MallocPixels decode_by_stb(const ImageFile& file, Size size, int channels) {  // (height, width, channels)
  StbReader reader{file.bytes};
  const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
  int width = 0, height = 0, channels_in_file = 0;
  MallocPixels pixels(stb::stbi_load_from_callbacks(&callbacks, &reader, &width, &height, &channels_in_file, channels));
  if (pixels == nullptr || reader.past_end) fail_as_stb(file, reader);
  if (size != Size{height, width}) {
    file.fail("damaged: found " + std::to_string(height) + " x " + std::to_string(width) +
              " pixels where the header says " + std::to_string(size.height) + " x " + std::to_string(size.width));
  }
  return pixels;
}

/// PIL.ImageOps.exif_transpose.
inline Image turn_upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image upright = transposed ? Image(image.width(), image.height()) : Image(image.height(), image.width());
  std::uint8_t* out = upright.data();
  for (Index y = 0; y < upright.height(); ++y) {
    for (Index x = 0; x < upright.width(); ++x, out += 3) {
      const Index row = transposed ? x : y, col = transposed ? y : x;
      const Index from_row = from_bottom ? image.height() - 1 - row : row;
      const Index from_col = from_right ? image.width() - 1 - col : col;
      std::copy_n(image.data() + (from_row * image.width() + from_col) * 3, 3, out);
    }
  }
  return upright;
}

}  // namespace detail

/// The RGB image in a file's bytes; `name` begins every message.
///
/// JPEG, PNG, BMP, GIF (first frame), TGA, PGM and PPM. Equal to Pillow's convert("RGB") but for JPEG, whose decoders
/// round differently unless BEIT_USE_LIBJPEG_TURBO has Pillow's decode it, and grey of 16 bits, which is scaled by its
/// high byte where Pillow clips to white. Throws ImageError for bytes that are no such image, damaged, truncated, or an
/// image larger than the limit.
inline Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  const detail::ImageFile file{bytes, name};
  if (bytes.empty()) file.fail("found an empty file, wanted an image");
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2)) {
    file.fail("found " + std::to_string(bytes.size()) + " bytes, wanted at most " +
              std::to_string(std::numeric_limits<int>::max() / 2));
  }

  if (detail::starts_with(bytes, "P5") || detail::starts_with(bytes, "P6")) {
    const detail::PnmHeader header = detail::read_pnm_header(file);
    detail::check_size(file, header.size.height, header.size.width, options.max_pixels);
    return detail::decode_pnm(file, header);
  }

  if (detail::starts_with(bytes, "GIF87a") || detail::starts_with(bytes, "GIF89a")) {
    const detail::GifFrame frame = detail::first_gif_frame(file);
    detail::check_size(file, frame.canvas.height, frame.canvas.width, options.max_pixels);
    const detail::MallocPixels rgba = detail::decode_by_stb({frame.file, name}, frame.canvas, 4);
    Image image(frame.canvas.height, frame.canvas.width);
    if (!detail::flatten_gif(frame, rgba.get(), image.data())) file.fail("truncated: found less than the first frame");
    return image;
  }

#if BEIT_USE_LIBJPEG_TURBO
  if (detail::is_jpeg(bytes)) {
    detail::JpegTurbo jpeg(file);
    detail::check_size(file, jpeg.size().height, jpeg.size().width, options.max_pixels);
    Image image(jpeg.size().height, jpeg.size().width);
    jpeg.read_pixels(image.data());
    return options.apply_exif_orientation ? detail::turn_upright(std::move(image), jpeg.orientation()) : image;
  }
#endif

  int orientation = 1;
  bool is_tga = false;
  std::vector<std::uint8_t> repaired;
  if (detail::starts_with(bytes, "\x89PNG\r\n\x1a\n")) {
    repaired = detail::check_png(file);
  } else if (detail::starts_with(bytes, "BM")) {
    repaired = detail::check_bmp(file);
  } else if (detail::is_jpeg(bytes)) {
    orientation = detail::check_jpeg(file);
  } else {
    is_tga = true;
  }
  const detail::ImageFile readable{repaired.empty() ? bytes : detail::Bytes(repaired), name};
  const Size size = detail::read_size_by_stb(readable);
  detail::check_size(file, size.height, size.width, options.max_pixels);
  if (is_tga) detail::check_tga(file);
  Image image(size.height, size.width, detail::decode_by_stb(readable, size, 3));
  return options.apply_exif_orientation ? detail::turn_upright(std::move(image), orientation) : image;
}

/// The same for std::byte.
inline Image decode_image(std::span<const std::byte> bytes, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, options, name);
}

/// The same for a pointer and a number of bytes.
inline Image decode_image(const std::uint8_t* bytes, std::size_t size, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  return decode_image(std::span<const std::uint8_t>(bytes, size), options, name);
}

/// The RGB image in a file. Throws FileError for a path that can't be read, and what decode_image throws.
inline Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {}) {
  const std::string name = path.string();
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw FileError(name + ": found nothing there, wanted an image file");
  if (std::filesystem::is_directory(status)) throw FileError(name + ": found a directory, wanted an image file");
  std::ifstream stream(path, std::ios::binary);
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (!stream || error) throw FileError(name + ": can't be read");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (stream.gcount() != static_cast<std::streamsize>(bytes.size())) {
    throw FileError(name + ": found " + std::to_string(stream.gcount()) + " bytes, wanted " +
                    std::to_string(bytes.size()));
  }
  return decode_image(std::span<const std::uint8_t>(bytes), options, name);
}

}  // namespace beit::inline BEIT_ABI
