// Lines of comma-separated values, RFC 4180 but for the end of a line, which is a line feed.
#pragma once

#include <array>
#include <charconv>
#include <initializer_list>
#include <iostream>
#include <string>
#include <string_view>

namespace programs {

/// A text as a field: in quotes where it has a comma, quote or line break.
inline std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

/// In as many digits as it takes to read the same number back.
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
