// Writes comma-separated values as in RFC 4180, except that lines end with a line feed alone.
#pragma once

#include <array>
#include <charconv>
#include <initializer_list>
#include <iostream>
#include <string>
#include <string_view>

#include "escaped.hpp"

namespace programs {

/// Formats text as a field in UTF-8, in quotes if it has a comma, quote or line break.
inline std::string csv_field(std::string_view bytes) {
  std::string text = escaped(bytes);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

/// Formats a number with as many digits as it takes to read the same number back.
inline std::string csv_field(float number) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

/// Prints a line.
inline void print_csv(std::initializer_list<std::string> fields) {
  const char* separator = "";
  for (const std::string& field : fields) {
    std::cout << separator << field;
    separator = ",";
  }
  std::cout << '\n';
}

}  // namespace programs
