// Strict JSON: nlohmann/json's, but repeated keys, deep nesting and bytes behind a NUL are errors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Base class of handlers of the parser's events. It makes repeated keys, deep nesting and bytes behind a NUL errors.
class StrictJsonEvents : public nlohmann::json_sax<nlohmann::json> {
 protected:
  /// `where` begins every message.
  explicit StrictJsonEvents(std::string where) : where_(std::move(where)) {}

  /// Parses `text` and calls the handlers.
  void parse(std::string_view text) {
    // The lexer takes a NUL for the end of the input and would ignore everything after it.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
      fail_json(concat({where_, ": not valid JSON: NUL byte at offset ", nul}));
    }
    nlohmann::json_sax<nlohmann::json>* const events = this;  // so that the parser is compiled once for all handlers
    nlohmann::json::sax_parse(text.begin(), text.end(), events);
  }

  /// Call it when an object or array begins.
  void enter() {
    // The limit bounds the memory that a few bytes of brackets can claim; no file that we read nests deeper than 5.
    constexpr std::size_t max_depth = 64;
    if (open_keys_.size() == max_depth) {
      fail_json(concat({where_, ": JSON nested deeper than ", max_depth, " levels"}));
    }
    open_keys_.emplace_back();
  }
  /// Call it when an object or array ends.
  void leave() { open_keys_.pop_back(); }
  /// Call it for each key of the innermost object.
  void add_key(const std::string& key) {
    if (!open_keys_.back().insert(key).second) {
      fail_json(concat({where_, ": name \"", printable(key), "\" appears twice in one JSON object"}));
    }
  }
  /// The number of open objects and arrays.
  std::size_t nesting() const { return open_keys_.size(); }

 private:
  bool binary(binary_t&) final { return true; }  // JSON has none
  BEIT_COLD bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) final {
    // "[json.exception.parse_error.101] parse error at line 1, ...": the bracket tells a user nothing.
    std::string_view reason = error.what();
    if (const std::size_t end = reason.find("] "); reason.starts_with('[') && end != std::string_view::npos) {
      reason.remove_prefix(end + 2);
    }
    fail_json(concat({where_, ": not valid JSON: ", printable(reason, 400)}));
    return false;
  }
  /// Throws an error with this message.
  [[noreturn]] virtual void fail_json(const std::string& message) const = 0;

  std::string where_;
  std::vector<std::set<std::string>> open_keys_;  // one set for each open object, and an empty one for each open array
};

// Pointers to what a value holds, or null if it is of another type. They replace json's own iterators, get() and
// operator[], whose exceptions for misuse take half a second to compile.
inline const nlohmann::json::object_t* object_in(const nlohmann::json& value) {
  return value.get_ptr<const nlohmann::json::object_t*>();
}
inline const nlohmann::json::array_t* array_in(const nlohmann::json& value) {
  return value.get_ptr<const nlohmann::json::array_t*>();
}
inline const std::string* string_in(const nlohmann::json& value) { return value.get_ptr<const std::string*>(); }
inline const bool* boolean_in(const nlohmann::json& value) { return value.get_ptr<const bool*>(); }
/// An integer; negative for 2^63 and more.
inline const std::int64_t* integer_in(const nlohmann::json& value) {
  return value.get_ptr<const nlohmann::json::number_integer_t*>();
}
/// An integer that the parser found without a minus sign.
inline const std::uint64_t* unsigned_in(const nlohmann::json& value) {
  return value.get_ptr<const nlohmann::json::number_unsigned_t*>();
}
/// A number that isn't an integer.
inline const double* float_in(const nlohmann::json& value) {
  return value.get_ptr<const nlohmann::json::number_float_t*>();
}

/// Writes text as JSON does, except that control characters stay as they are.
BEIT_COLD inline std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result += '"';
}

/// Writes a value for a message. json::dump would take as long to compile as the parser.
BEIT_COLD inline std::string json_text(const nlohmann::json& value) {
  switch (value.type()) {
    case nlohmann::json::value_t::object: {
      std::string text = "{";
      for (const auto& [key, member] : *object_in(value)) {
        if (text.size() > 1) text += ',';
        text.append(in_quotes(key)).append(":").append(json_text(member));
      }
      return text += '}';
    }
    case nlohmann::json::value_t::array: {
      std::string text = "[";
      for (const nlohmann::json& element : *array_in(value)) {
        if (text.size() > 1) text += ',';
        text += json_text(element);
      }
      return text += ']';
    }
    case nlohmann::json::value_t::string:
      return in_quotes(*string_in(value));
    case nlohmann::json::value_t::boolean:
      return *boolean_in(value) ? "true" : "false";
    case nlohmann::json::value_t::number_integer:
      return std::to_string(*integer_in(value));
    case nlohmann::json::value_t::number_unsigned:
      return std::to_string(*unsigned_in(value));
    case nlohmann::json::value_t::number_float: {
      std::array<char, 32> digits;
      std::snprintf(digits.data(), digits.size(), "%.9g", *float_in(value));
      const std::string text = digits.data();
      return text.find_first_not_of("-0123456789") == std::string::npos ? concat({text, ".0"})
                                                                        : text;  // a float that is a whole number
    }
    default:
      return "null";
  }
}

/// Builds a value from the events of strict JSON. Throws ConfigError.
class JsonReader final : public StrictJsonEvents {
 public:
  /// `where` begins every message.
  explicit JsonReader(std::string where) : StrictJsonEvents(std::move(where)) {}

  nlohmann::json read(std::string_view text) {
    parse(text);
    return std::move(root_);
  }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override { return open(nlohmann::json::value_t::object); }
  bool start_array(std::size_t) override { return open(nlohmann::json::value_t::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& key) override {
    add_key(key);
    key_ = std::move(key);
    return true;
  }

 private:
  bool add(nlohmann::json value) {
    place(std::move(value));
    return true;
  }
  bool open(nlohmann::json value) {
    enter();
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    leave();
    open_.pop_back();
    return true;
  }

  /// Puts a value where the parser is. Its address stays the same until the enclosing object or array ends.
  nlohmann::json* place(nlohmann::json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    nlohmann::json& in = *open_.back();
    if (auto* const object = in.get_ptr<nlohmann::json::object_t*>()) return &((*object)[key_] = std::move(value));
    auto& array = *in.get_ptr<nlohmann::json::array_t*>();
    array.push_back(std::move(value));
    return &array.back();
  }

  [[noreturn]] BEIT_COLD void fail_json(const std::string& message) const override { throw ConfigError(message); }

  nlohmann::json root_;
  std::vector<nlohmann::json*> open_;  // objects and arrays, the innermost last
  std::string key_;                    // of the next value in an object
};

}  // namespace detail

/// Parses `text`. Throws ConfigError, whose message begins with `where` (a path), if it isn't valid JSON in UTF-8,
/// repeats a key in one object, or nests deeper than 64 levels.
[[nodiscard]] inline nlohmann::json parse_json(std::string_view text, const std::string& where) {
  return detail::JsonReader(where).read(text);
}

}  // namespace beit::inline BEIT_ABI
