// The definitions of decode.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/mapped_file.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/formats.hpp>
#include <beit/image/formats_impl.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

BEIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options,
                               const std::string& name) {
  const detail::ImageFile file{bytes, name};
  constexpr std::size_t most_bytes = std::numeric_limits<int>::max() / 2;  // stb_image counts in ints
  if (bytes.empty()) file.fail("found an empty file, wanted an image");
  if (bytes.size() > most_bytes) {
    file.fail(detail::concat({"found ", bytes.size(), " bytes, wanted at most ", most_bytes}));
  }
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
  const MappedFile file(path, "an image file");
  return decode_image(file.bytes(), options, detail::path_text(path));
}

}  // namespace beit::inline BEIT_ABI
