// Text for messages: names and shapes as they appear in errors.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Writes a shape as Python does: "(3, 4)", "(3,)" or "()"; "..." replaces all but the first 8 dimensions.
[[nodiscard]] BEIT_COLD inline std::string shape_text(std::span<const Index> shape) {
  constexpr std::size_t shown = 8;
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size() && i < shown; ++i) {
    if (i > 0) text += ", ";
    text += detail::MessagePart(shape[i]).text();
  }
  if (shape.size() > shown) text += ", ...";
  return text + (shape.size() == 1 ? ",)" : ")");
}

namespace detail {

/// Makes text from a file fit for one line of a message: without control characters, at most `limit` bytes and "...".
BEIT_COLD inline std::string printable(std::string_view text, std::size_t limit = 200) {
  std::string result(text.substr(0, limit));
  if (text.size() > limit) {
    // The cut must not leave half of a UTF-8 sequence.
    std::size_t cut = limit;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    result.resize(cut);
    result += "...";
  }
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return result;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
