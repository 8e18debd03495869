// Reads the brands at the beginning of an ISO base media file, the container of AVIF and HEIC.
//
// Source: ISO/IEC 14496-12, section 4.3.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

// The first box holds its length (4 bytes), "ftyp", the brand (4), a version (4), and the compatible brands.

BEIT_COLD inline bool has_brand(Bytes bytes, std::initializer_list<std::string_view> brands) {
  return has_text(bytes, 4, "ftyp") && has_one_of(bytes, 8, brands);
}

/// Whether one of these is among a file's compatible brands.
BEIT_COLD inline bool is_compatible_with(Bytes bytes, std::initializer_list<std::string_view> brands) {
  const std::size_t end = std::min<std::size_t>(big32(bytes, 0), bytes.size());
  for (std::size_t at = 16; at + 4 <= end; at += 4) {
    if (has_one_of(bytes, at, brands)) return true;
  }
  return false;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
