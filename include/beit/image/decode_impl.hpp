// The definitions of decode.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/regular_file.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/formats.hpp>
#include <beit/image/formats_impl.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Throws ImageError for a file without bytes or with too many.
BEIT_COLD inline void check_file_size(std::size_t size, const std::string& name) {
  constexpr std::size_t most_bytes = std::numeric_limits<int>::max() / 2;  // stb_image counts in ints
  if (size == 0) throw ImageError(concat({name, ": found an empty file, wanted an image"}));
  if (size > most_bytes) {
    throw ImageError(concat({name, ": found ", size, " bytes, wanted at most ", most_bytes}));
  }
}

}  // namespace detail

BEIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options,
                               const std::string& name) {
  const detail::ImageFile file{bytes, name};
  detail::check_file_size(bytes.size(), name);
  const detail::ImageFormat& format = detail::format_of(bytes);
  if (format.matches == nullptr) detail::refuse_other_formats(file);
  if (format.decode == nullptr) {
    file.fail(detail::concat({"found a file in the format ", format.name, ", which this build can't read without ",
                              format.library, "; wanted ", image_formats()}));
  }
  detail::Decoded decoded = format.decode(file, options);
  return detail::turn_upright(std::move(decoded.image), options.apply_exif_orientation ? decoded.orientation : 1);
}

BEIT_INLINE Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  // Read instead of mapped: a file that is shortened meanwhile, or whose disk fails, is an error of this image only.
  const RegularFile file(path, "an image file");
  const std::string name = detail::path_text(path);
  detail::check_file_size(file.size(), name);
  return decode_image(file.read().bytes(), options, name);
}

}  // namespace beit::inline BEIT_ABI
