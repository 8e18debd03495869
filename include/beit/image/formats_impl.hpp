// The table of image formats.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/avif.hpp>
#include <beit/image/detail/bmp.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/gif.hpp>
#include <beit/image/detail/heif.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/jpeg.hpp>
#include <beit/image/detail/png.hpp>
#include <beit/image/detail/pnm.hpp>
#include <beit/image/detail/qoi.hpp>
#include <beit/image/detail/tga.hpp>
#include <beit/image/detail/tiff.hpp>
#include <beit/image/detail/webp.hpp>
#include <beit/image/formats.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

struct ImageFormat {
  std::string_view name;                       ///< The name in messages: "WebP".
  std::string_view library;                    ///< The library that reading it requires: "libwebp"; else empty.
  std::array<std::string_view, 4> extensions;  ///< Lower-case extensions: ".webp"; unused ones are empty.
  bool (*matches)(Bytes);  ///< Whether a file begins like this format; null if it has no fixed beginning.
  ImageReader decode;      ///< Null if this build lacks the library.
};

/// All formats, their readers and libraries. The first row that matches reads a file.
inline constexpr std::array image_format_table{
    ImageFormat{"JPEG", "", {".jpg", ".jpeg", ".jpe", ".jfif"}, &is_jpeg, decode_jpeg},
    ImageFormat{"PNG", "", {".png"}, &is_png, decode_png},
    ImageFormat{"BMP", "", {".bmp"}, &is_bmp, decode_bmp},
    ImageFormat{"GIF", "", {".gif"}, &is_gif, decode_gif},
    ImageFormat{"TGA", "", {".tga"}, nullptr, decode_tga},
    ImageFormat{"PBM", "", {".pbm"}, &is_pbm, decode_pnm},
    ImageFormat{"PGM", "", {".pgm"}, &is_pgm, decode_pnm},
    ImageFormat{"PPM", "", {".ppm", ".pnm"}, &is_ppm, decode_pnm},
    ImageFormat{"PFM", "", {".pfm"}, &is_pfm, decode_pfm},
    ImageFormat{"QOI", "", {".qoi"}, &is_qoi, decode_qoi},
    ImageFormat{"WebP", "libwebp", {".webp"}, &is_webp, decode_webp},
    ImageFormat{"TIFF", "libtiff", {".tif", ".tiff"}, &is_tiff, decode_tiff},
    ImageFormat{"AVIF", "libavif", {".avif"}, &is_avif, decode_avif},
    ImageFormat{"HEIC", "libheif", {".heic", ".heif", ".hif"}, &is_heif, decode_heif},
};
static_assert(std::count_if(image_format_table.begin(), image_format_table.end(),
                            [](const ImageFormat& format) { return format.matches == nullptr; }) == 1);

/// The format that these bytes begin like, or else the one without a fixed beginning.
BEIT_COLD inline const ImageFormat& format_of(Bytes bytes) {
  const ImageFormat* otherwise = nullptr;
  for (const ImageFormat& format : image_format_table) {
    if (format.matches == nullptr) {
      otherwise = &format;
    } else if (format.matches(bytes)) {
      return format;
    }
  }
  return *otherwise;
}

}  // namespace detail

BEIT_COLD BEIT_INLINE std::string image_formats() {
  std::string names;
  std::string_view last;
  for (const detail::ImageFormat& format : detail::image_format_table) {
    if (format.decode == nullptr) continue;
    if (!last.empty()) detail::append_item(names, last);
    last = format.name;
  }
  return names.append(" or ").append(last);
}

BEIT_INLINE bool is_image_name(const std::filesystem::path& path) {
  std::string extension = detail::path_text(path.extension());
  for (char& c : extension) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return !extension.empty() && std::any_of(detail::image_format_table.begin(), detail::image_format_table.end(),
                                           [&](const detail::ImageFormat& format) {
                                             return format.decode != nullptr &&
                                                    std::find(format.extensions.begin(), format.extensions.end(),
                                                              extension) != format.extensions.end();
                                           });
}

}  // namespace beit::inline BEIT_ABI
