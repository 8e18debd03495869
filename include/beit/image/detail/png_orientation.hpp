// Reads the orientation that a PNG's chunks give it.
//
// Source: the PNG specification, sections 11.3.3 and 11.3.5, and Pillow's src/PIL/PngImagePlugin.py and Image.py.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/inflate.hpp>
#include <beit/image/detail/png_chunks.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A text of a PNG.
struct PngText {
  std::string_view keyword;
  std::vector<std::uint8_t> text;
};

/// Decompresses a text, at most a megabyte; empty if it is damaged.
BEIT_COLD inline std::vector<std::uint8_t> inflated_text(Bytes stream) {
  constexpr std::size_t most = 1 << 20;
  Inflater inflater(stream, most);
  const Bytes text = inflater.next(most);
  return inflater.damaged() ? std::vector<std::uint8_t>() : std::vector<std::uint8_t>(text.begin(), text.end());
}

/// Reads a chunk of type tEXt, zTXt or iTXt.
BEIT_COLD inline PngText png_text(const PngChunks::Note& note) {
  Bytes rest = note.content;
  const auto take_until_zero = [&] {
    const std::size_t length = std::min(as_text(rest).find('\0'), rest.size());
    const Bytes taken = rest.first(length);
    rest = rest.subspan(std::min(length + 1, rest.size()));
    return as_text(taken);
  };
  PngText found{take_until_zero(), {}};
  bool is_compressed = note.type == "zTXt";
  if (is_compressed) rest = rest.subspan(std::min<std::size_t>(1, rest.size()));
  if (note.type == "iTXt") {
    if (rest.size() < 2) return found;
    is_compressed = rest[0] != 0;
    rest = rest.subspan(2);
    take_until_zero();  // the language
    take_until_zero();  // the keyword in that language
  }
  found.text = is_compressed ? inflated_text(rest) : std::vector<std::uint8_t>(rest.begin(), rest.end());
  return found;
}

/// Reads bytes that ImageMagick writes as text: three lines, then digits of base 16.
BEIT_COLD inline std::vector<std::uint8_t> raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const std::size_t end = text.find('\n');
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  std::vector<std::uint8_t> bytes;
  bool is_low = false;
  for (const char c : text) {
    const int digit = '0' <= c && c <= '9'   ? c - '0'
                      : 'a' <= c && c <= 'f' ? c - 'a' + 10
                      : 'A' <= c && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (is_low) {
      bytes.back() = static_cast<std::uint8_t>(bytes.back() | digit);
    } else {
      bytes.push_back(static_cast<std::uint8_t>(digit << 4));
    }
    is_low = !is_low;
  }
  return bytes;
}

/// The orientation, 1 to 8. The last of several chunks of a kind counts.
BEIT_COLD inline int png_orientation(const PngChunks& png) {
  std::vector<std::uint8_t> exif, profile, xmp;
  for (const PngChunks::Note& note : png.notes) {
    if (note.type == "eXIf") {
      exif.assign(note.content.begin(), note.content.end());
      continue;
    }
    PngText found = png_text(note);
    if (found.keyword == "exif") exif = std::move(found.text);
    if (found.keyword == "XML:com.adobe.xmp") xmp = std::move(found.text);
    if (found.keyword == "Raw profile type exif") profile = raw_profile(as_text(found.text));
  }
  return orientation_of(exif.empty() ? profile : exif, xmp);
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
