// Which image formats this build reads. Those of optional libraries are read where BEIT_USE_LIBWEBP, BEIT_USE_LIBTIFF,
// BEIT_USE_LIBAVIF or BEIT_USE_LIBHEIF is set.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>

namespace beit::inline BEIT_ABI {

/// A format that needs a library of its own.
struct OptionalFormat {
  std::string_view name;                       ///< "WebP"
  std::string_view library;                    ///< "libwebp"
  std::array<std::string_view, 3> extensions;  ///< ".webp"; empty where there are fewer.
  bool is_read;                                ///< Whether this build has the library.
};

inline constexpr std::array<OptionalFormat, 4> optional_formats{
    {{"WebP", "libwebp", {".webp"}, BEIT_USE_LIBWEBP != 0},
     {"TIFF", "libtiff", {".tif", ".tiff"}, BEIT_USE_LIBTIFF != 0},
     {"AVIF", "libavif", {".avif"}, BEIT_USE_LIBAVIF != 0},
     {"HEIC", "libheif", {".heic", ".heif", ".hif"}, BEIT_USE_LIBHEIF != 0}}};

/// What decode_image reads: "JPEG, PNG, BMP, GIF, TGA, PBM, PGM, PPM or WebP".
BEIT_COLD inline std::string image_formats() {
  std::string names = "JPEG, PNG, BMP, GIF, TGA, PBM, PGM";
  std::string_view last = "PPM";
  for (const OptionalFormat& format : optional_formats) {
    if (!format.is_read) continue;
    detail::append_item(names, last);
    last = format.name;
  }
  return names.append(" or ").append(last);
}

/// Whether a file of this name is one that decode_image reads, by its extension in letters of either case.
inline bool is_image_name(const std::filesystem::path& path) {
  static constexpr std::array<std::string_view, 12> always{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp",
                                                           ".gif", ".tga",  ".pbm", ".pgm",  ".ppm", ".pnm"};
  std::string extension = detail::path_text(path.extension());
  for (char& c : extension) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (extension.empty()) return false;
  const auto has = [&](const auto& list) { return std::find(list.begin(), list.end(), extension) != list.end(); };
  return has(always) ||
         std::any_of(optional_formats.begin(), optional_formats.end(),
                     [&](const OptionalFormat& format) { return format.is_read && has(format.extensions); });
}

namespace detail {

/// The format that a file's first bytes are of, if it is one of the optional ones; else null.
BEIT_COLD inline const OptionalFormat* optional_format_of(Bytes bytes) {
  const auto has = [&](std::size_t at, std::string_view text) {
    return bytes.size() >= at && starts_with(bytes.subspan(at), text);
  };
  const auto has_one_of = [&](std::size_t at, std::initializer_list<std::string_view> texts) {
    return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) { return has(at, text); });
  };
  if (has(0, "RIFF") && has(8, "WEBP")) return &optional_formats[0];
  using namespace std::string_view_literals;  // which end after a zero
  if (has_one_of(0, {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})) return &optional_formats[1];
  if (!has(4, "ftyp") || bytes.size() < 12) return nullptr;
  // The brand, and after a version those that the file is compatible with.
  const std::size_t end = std::min<std::size_t>(big32(bytes, 0), bytes.size());
  const auto is_avif = [&](std::size_t at) { return has_one_of(at, {"avif", "avis"}); };
  if (is_avif(8)) return &optional_formats[2];
  if (has_one_of(8, {"mif1", "msf1"})) {
    for (std::size_t at = 16; at + 4 <= end; at += 4) {
      if (is_avif(at)) return &optional_formats[2];
    }
    return &optional_formats[3];
  }
  return has_one_of(8, {"heic", "heix", "heim", "heis", "hevc", "hevx"}) ? &optional_formats[3] : nullptr;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
