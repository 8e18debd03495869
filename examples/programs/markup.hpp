// Escapes text for the pages and plots that the programs write.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace programs {

/// Escapes text for elements and attributes of HTML and XML. Bytes that aren't UTF-8 become U+FFFD.
inline std::string escape_markup(std::string_view text) {
  // nlohmann's writer replaces invalid UTF-8; parsing its JSON string gives the text back.
  const std::string valid =
      nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
          .get<std::string>();
  std::string result;
  for (const char c : valid) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return result;
}

}  // namespace programs
