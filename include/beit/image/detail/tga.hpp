// Reads TGA by stb_image, after checks that it leaves out.
#pragma once

#include <cstddef>

#include <beit/core/cold.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/stb_decode.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Checks that a TGA without compression has all its pixels, because stb_image doesn't check whether a row could be
/// read.
BEIT_COLD inline void check_tga(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  file.require(0, 18, "header");
  const std::size_t pixel_bytes = (bytes[16] + std::size_t{7}) / 8;
  const std::size_t palette_bytes = bytes[1] == 1 ? little16(bytes, 5) * ((bytes[7] + std::size_t{7}) / 8) : 0;
  const bool compressed = bytes[2] >= 8;
  const std::size_t pixels = compressed ? 0 : std::size_t{little16(bytes, 12)} * little16(bytes, 14) * pixel_bytes;
  file.require(18 + std::size_t{bytes[0]}, palette_bytes + pixels, "pixels");
}

inline Decoded decode_tga(const ImageFile& file, const DecodeOptions& options) {
  const Size size = read_size_by_stb(file, options);
  check_tga(file);
  return {decode_by_stb(file, size)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
