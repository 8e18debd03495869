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
  bool (*matches)(Bytes);  ///< Whether a file begins like this format; null in the one row without a fixed beginning.
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

/// A format that people have images in, and that isn't read: its name, and what its files hold at some place.
struct OtherFormat {
  std::string_view name;
  std::size_t at;
  std::string_view text;
};
inline constexpr std::array other_format_table{
    OtherFormat{"JPEG XL", 0, "\xff\x0a"},
    OtherFormat{"JPEG XL", 4, "JXL \r\n\x87\n"},
    OtherFormat{"JPEG 2000", 4, "jP  \r\n\x87\n"},
    OtherFormat{"JPEG 2000", 0, "\xff\x4f\xff\x51"},
    OtherFormat{"PSD", 0, "8BPS"},
    OtherFormat{"ICO", 0, std::string_view("\0\0\1\0", 4)},
    OtherFormat{"OpenEXR", 0, "\x76\x2f\x31\x01"},
    OtherFormat{"Radiance HDR", 0, "#?RADIANCE"},
    OtherFormat{"DDS", 0, "DDS "},
    OtherFormat{"PDF", 0, "%PDF-"},
    OtherFormat{"camera RAW (Canon CR3)", 4, "ftypcrx "},
    OtherFormat{"camera RAW (Canon CRW)", 6, "HEAPCCDR"},
    OtherFormat{"camera RAW (Fujifilm RAF)", 0, "FUJIFILMCCD-RAW"},
    OtherFormat{"camera RAW (Olympus ORF)", 0, "IIRO"},
    OtherFormat{"camera RAW (Olympus ORF)", 0, "IIRS"},
    OtherFormat{"camera RAW (Olympus ORF)", 0, "MMOR"},
    OtherFormat{"camera RAW (Panasonic RW2)", 0, std::string_view("IIU\0", 4)},
    OtherFormat{"camera RAW (Sigma X3F)", 0, "FOVb"},
    OtherFormat{"camera RAW (Minolta MRW)", 0, std::string_view("\0MRM", 4)},
};

/// Throws ImageError for bytes of a format in the table.
BEIT_COLD BEIT_INLINE void refuse_other_formats(const ImageFile& file) {
  for (const OtherFormat& format : other_format_table) {
    if (!has_text(file.bytes, format.at, format.text)) continue;
    file.fail(concat({"found a file in the format ", format.name, ", which isn't read; wanted ", image_formats()}));
  }
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
