// Builds messages from strings and integers.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A string, which isn't copied and must outlive this, or an integer.
class MessagePart {
 public:
  MessagePart(const char* text) : text_(text) {}
  MessagePart(std::string_view text) : text_(text) {}
  MessagePart(const std::string& text) : text_(text) {}
  template <std::integral Integer>
  requires(sizeof(Integer) > 1)  // neither a character nor a bool
      MessagePart(Integer number) {
    using Widest = std::conditional_t<std::is_signed_v<Integer>, long long, unsigned long long>;
    write(static_cast<Widest>(number));
  }
  // Not copyable, because text_ may point into digits_.
  MessagePart(const MessagePart&) = delete;
  MessagePart& operator=(const MessagePart&) = delete;

  std::string_view text() const { return text_; }

 private:
  template <typename Widest>
  BEIT_COLD void write(Widest number) {
    const char* const end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), number).ptr;
    text_ = {digits_.data(), static_cast<std::size_t>(end - digits_.data())};
  }

  std::string_view text_;
  std::array<char, 20> digits_;
};

/// Joins the parts. Adding strings by operator+ compiles to several times the code, in every program.
BEIT_COLD inline std::string concat(std::initializer_list<MessagePart> parts) {
  std::string text;
  for (const MessagePart& part : parts) text += part.text();
  return text;
}

/// Appends an item to a list as messages show it: "a, b, c".
BEIT_COLD inline void append_item(std::string& list, std::string_view item) {
  if (!list.empty()) list += ", ";
  list += item;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
