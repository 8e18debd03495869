// Strict JSON: what nlohmann/json accepts, minus repeated keys, deep nesting and bytes behind a NUL.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// What strict JSON adds, followed while a text is parsed: repeated keys and deep nesting are errors.
template <typename ErrorType>
class StrictNesting {
 public:
  /// `where` begins every message, and outlives this.
  explicit StrictNesting(const std::string& where) : where_(where) {}

  /// An object or array begins.
  void open() {
    // Bounds the memory that a few bytes of brackets can claim; no file that we read nests deeper than 5.
    constexpr std::size_t max_depth = 64;
    if (open_keys_.size() == max_depth) {
      throw ErrorType(where_ + ": JSON nested deeper than " + std::to_string(max_depth) + " levels");
    }
    open_keys_.emplace_back();
  }
  /// It ends.
  void close() { open_keys_.pop_back(); }
  /// A key of the innermost object.
  void key(const std::string& key) {
    if (!open_keys_.back().insert(key).second) {
      throw ErrorType(where_ + ": name \"" + printable(key) + "\" appears twice in one JSON object");
    }
  }
  /// Objects and arrays that are open.
  std::size_t depth() const { return open_keys_.size(); }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> open_keys_;  // one set for each open object, and an empty one for each open array
};

/// The lexer takes a NUL for the end of the input, and would never look at what follows.
template <typename ErrorType>
void refuse_nul(std::string_view text, const std::string& where) {
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw ErrorType(where + ": not valid JSON: NUL byte at offset " + std::to_string(nul));
  }
}

template <typename ErrorType>
[[noreturn]] void fail_as_json(const std::string& where, const nlohmann::json::exception& error) {
  // "[json.exception.parse_error.101] parse error at line 1, ...": the bracket tells a user nothing.
  std::string_view reason = error.what();
  if (const std::size_t end = reason.find("] "); reason.starts_with('[') && end != std::string_view::npos) {
    reason.remove_prefix(end + 2);
  }
  throw ErrorType(where + ": not valid JSON: " + printable(reason, 400));
}

}  // namespace detail

/// The value that `text` holds. Throws ConfigError, beginning with `where` (a path), when it isn't valid JSON in
/// UTF-8, repeats a key in one object, or nests deeper than 64 levels.
inline nlohmann::json parse_json(std::string_view text, const std::string& where) {
  using nlohmann::json;
  detail::refuse_nul<ConfigError>(text, where);
  // A finished object has lost its repeated keys, so they are looked for while it grows.
  detail::StrictNesting<ConfigError> nesting(where);
  const auto check = [&](int, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        nesting.open();
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        nesting.close();
        break;
      case json::parse_event_t::key:
        nesting.key(parsed.get_ref<const std::string&>());
        break;
      case json::parse_event_t::value:
        break;
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::exception& error) {
    detail::fail_as_json<ConfigError>(where, error);
  }
}

}  // namespace beit::inline BEIT_ABI
