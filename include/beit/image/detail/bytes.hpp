// Reads numbers and text from an image file's bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

using Bytes = std::span<const std::uint8_t>;

// Read unsigned integers of 16 and 32 bits. The caller has checked that they lie within the bytes.
inline std::uint32_t little16(Bytes bytes, std::size_t at) {
  return bytes[at] | static_cast<std::uint32_t>(bytes[at + 1]) << 8;
}
inline std::uint32_t little32(Bytes bytes, std::size_t at) {
  return little16(bytes, at) | little16(bytes, at + 2) << 16;
}
inline std::uint32_t big16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}
inline std::uint32_t big32(Bytes bytes, std::size_t at) { return big16(bytes, at) << 16 | big16(bytes, at + 2); }

/// Whether the bytes at `at` are this text; false if the bytes end before it does.
inline bool has_text(Bytes bytes, std::size_t at, std::string_view text) {
  return at <= bytes.size() && text.size() <= bytes.size() - at &&
         std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

/// Whether one of these texts is at `at`.
inline bool has_one_of(Bytes bytes, std::size_t at, std::initializer_list<std::string_view> texts) {
  return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) { return has_text(bytes, at, text); });
}

inline bool starts_with(Bytes bytes, std::string_view text) { return has_text(bytes, 0, text); }

inline void append(std::vector<std::uint8_t>& to, Bytes from) { to.insert(to.end(), from.begin(), from.end()); }

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
