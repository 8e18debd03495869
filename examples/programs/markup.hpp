// Text for the pages and plots that the programs write.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace programs {

/// Text that stays text in HTML and XML, in elements and in attributes. Bytes that aren't UTF-8 become U+FFFD.
inline std::string escape_markup(std::string_view text) {
  // nlohmann's writer knows UTF-8: a JSON string without what JSON adds.
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
