// Writes JSON for other programs, one object per line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "escaped.hpp"

namespace programs {

/// JSON that keeps the order of keys, and writes a float with as many digits as it takes to read the same one back.
using FloatJson =
    nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t, std::uint64_t, float>;

/// Escapes all texts in place: file names need not be UTF-8, but JSON must be.
template <typename Json>
void escape_texts(Json& json) {
  if (json.is_string()) {
    auto& text = json.template get_ref<std::string&>();
    text = escaped(text);
  }
  if (!json.is_structured()) return;
  for (Json& element : json) escape_texts(element);
}

/// Writes JSON whose texts are UTF-8 as one line, also for readers that end lines at U+0085, U+2028 and U+2029.
template <typename Json>
std::string json_line(const Json& json) {
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  for (const auto& [character, code] :
       {std::pair("\xC2\x85", "\\u0085"), std::pair("\xE2\x80\xA8", "\\u2028"), std::pair("\xE2\x80\xA9", "\\u2029")}) {
    for (std::size_t at = 0; (at = line.find(character, at)) != line.npos;) {
      line.replace(at, std::string_view(character).size(), code);
    }
  }
  return line;
}

/// Writes JSON with names of files as one line.
template <typename Json>
std::string json_text(Json json) {
  escape_texts(json);
  return json_line(json);
}

/// Prints an object as one line.
inline void print_json(const FloatJson& object) { std::cout << json_text(object); }

}  // namespace programs
