// How images are decoded.
#pragma once

#include <algorithm>
#include <cerrno>
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

#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode.hpp>
#include <beit/image/detail/avif.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/gif.hpp>
#include <beit/image/detail/heif.hpp>
#include <beit/image/detail/jpeg.hpp>
#include <beit/image/detail/jpeg_tables.hpp>
#include <beit/image/detail/jpeg_turbo.hpp>
#include <beit/image/detail/palettes.hpp>
#include <beit/image/detail/pnm.hpp>
#include <beit/image/detail/stb_decode.hpp>
#include <beit/image/detail/tiff.hpp>
#include <beit/image/detail/webp.hpp>
#include <beit/image/formats.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

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

/// A format that has a library of its own.
inline Image decode_by_library(const ImageFile& file, const OptionalFormat& format, const DecodeOptions& options) {
  [[maybe_unused]] int orientation = 1;
  [[maybe_unused]] const auto upright = [&](Image image) {
    return options.apply_exif_orientation ? turn_upright(std::move(image), orientation) : image;
  };
#if BEIT_USE_LIBWEBP
  if (format.name == "WebP") return upright(decode_webp(file, options.max_pixels, orientation));
#endif
#if BEIT_USE_LIBTIFF
  if (format.name == "TIFF") {
    Tiff tiff(file, options.max_pixels);
    return turn_upright(tiff.pixels(), tiff.orientation());  // Pillow always does
  }
#endif
#if BEIT_USE_LIBAVIF
  if (format.name == "AVIF") return upright(decode_avif(file, options.max_pixels, orientation));
#endif
#if BEIT_USE_LIBHEIF
  if (format.name == "HEIC") return decode_heif(file, options.max_pixels);
#endif
  file.fail(concat({"found a file in the format ", format.name, ", which this build can't read for want of ",
                    format.library, "; wanted ", image_formats()}));
}

}  // namespace detail

BEIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options,
                               const std::string& name) {
  const detail::ImageFile file{bytes, name};
  if (bytes.empty()) file.fail("found an empty file, wanted an image");
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2)) {
    file.fail(detail::concat({"found ", bytes.size(), " bytes, wanted at most ", std::numeric_limits<int>::max() / 2}));
  }

  if (const OptionalFormat* const format = detail::optional_format_of(bytes)) {
    return detail::decode_by_library(file, *format, options);
  }

  if (detail::is_pnm(bytes)) {
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
    detail::JpegTurbo jpeg(file, options.allow_truncated);
    detail::check_size(file, jpeg.size().height, jpeg.size().width, options.max_pixels);
    Image image(jpeg.size().height, jpeg.size().width);
    jpeg.read_pixels(image.data());
    return options.apply_exif_orientation ? detail::turn_upright(std::move(image), jpeg.orientation()) : image;
  }
#endif

  int orientation = 1;
  bool is_tga = false, is_jpeg = false, is_png = false;
  std::vector<std::uint8_t> repaired;
  if (detail::starts_with(bytes, "\x89PNG\r\n\x1a\n")) {
    is_png = true;
    repaired = detail::check_png(file);
  } else if (detail::starts_with(bytes, "BM")) {
    repaired = detail::check_bmp(file);
  } else if (detail::is_jpeg(bytes)) {
    is_jpeg = true;
    detail::Bytes whole = bytes;
    if (options.allow_truncated) {
      detail::append(repaired, bytes);
      detail::append(repaired, detail::end_of_image);
      whole = repaired;
    }
    const detail::JpegSegments segments = detail::check_jpeg({whole, name});
    orientation = segments.orientation;
    if (segments.wants_standard_tables) repaired = detail::with_standard_huffman_tables(whole);
  } else {
    is_tga = true;
  }
  const detail::ImageFile readable{repaired.empty() ? bytes : detail::Bytes(repaired), name};
  const Size size = detail::read_size_by_stb(readable);
  detail::check_size(file, size.height, size.width, options.max_pixels);
  if (is_tga) detail::check_tga(file);
  if (is_png) detail::check_png_data(file, size);
  Image image(size.height, size.width,
              is_jpeg ? detail::decode_jpeg_by_stb(readable, size) : detail::decode_by_stb(readable, size, 3));
  return options.apply_exif_orientation ? detail::turn_upright(std::move(image), orientation) : image;
}

BEIT_INLINE Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string name = detail::path_text(path);
  const auto fail = [&name](const char* what, const std::string& reason = {}) {
    throw FileError(detail::concat({name, ": ", what, reason}));
  };
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) fail("found nothing there, wanted an image file");
  if (error) fail("can't be opened: ", error.message());
  if (std::filesystem::is_directory(status)) fail("found a directory, wanted an image file");
  // Opening a named pipe would wait for a writer.
  if (!std::filesystem::is_regular_file(status)) fail("is not a regular file, wanted an image file");
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("can't be opened: ", std::generic_category().message(errno));
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) fail("can't be read: ", error.message());
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (stream.gcount() != static_cast<std::streamsize>(bytes.size())) {
    throw FileError(detail::concat({name, ": found ", stream.gcount(), " bytes, wanted ", bytes.size()}));
  }
  return decode_image(std::span<const std::uint8_t>(bytes), options, name);
}

}  // namespace beit::inline BEIT_ABI
