// Writes names of files as text in UTF-8. Names are bytes on most systems, and any but 0 and / may be among them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace programs {

/// The number of bytes of the character with which `text` begins, which mustn't be empty; 0 if that isn't UTF-8.
inline std::size_t character_size(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  // Longer forms than needed, surrogates, and numbers beyond U+10FFFF.
  const unsigned second = byte(1);
  const bool is_wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return is_wrong ? 0 : size;
}

/// Whether `text` begins with a backslash, x and two hexadecimal digits in capitals.
inline bool begins_with_escape(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return text.size() >= 4 && text.starts_with("\\x") && digits.find(text[2]) != digits.npos &&
         digits.find(text[3]) != digits.npos;
}

/// Whether some program takes this character for the end of a line, or a terminal for a command.
inline bool is_control(std::string_view character) {
  if (character.size() == 1) return static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7F;
  return (character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0) || character == "\xE2\x80\xA8" ||
         character == "\xE2\x80\xA9";
}

/// Writes each byte that isn't UTF-8 as \xE9, a backslash, x and two hexadecimal digits; and so the backslash of what
/// looks like this already, so that unescaped() gives the same bytes back. With `controls`, control characters and
/// separators of lines are written so, too.
inline std::string escaped(std::string_view text, bool controls = false) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(size, 1));
    if (size == 0 || begins_with_escape(text) || (controls && is_control(character))) {
      for (const char c : character) {
        std::array<char, 5> code{};
        std::snprintf(code.data(), code.size(), "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += code.data();
      }
    } else {
      out += character;
    }
    text.remove_prefix(character.size());
  }
  return out;
}

/// The bytes that escaped() has written.
inline std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool is_escape = begins_with_escape(text);
    out += is_escape ? static_cast<char>(std::stoi(std::string(text.substr(2, 2)), nullptr, 16)) : text[0];
    text.remove_prefix(is_escape ? 4 : 1);
  }
  return out;
}

}  // namespace programs
