// Reads JSON values of expected types.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Appends the path from `value` to `wanted` as ": key: key". Returns false if `wanted` isn't inside `value`.
BEIT_COLD inline bool append_json_path(const nlohmann::json& value, const nlohmann::json& wanted, std::string& way) {
  if (&value == &wanted) return true;
  if (const auto* const array = array_in(value)) {
    for (const nlohmann::json& element : *array) {
      if (append_json_path(element, wanted, way)) return true;
    }
  }
  if (const auto* const object = object_in(value)) {
    const std::size_t length = way.size();
    for (const auto& [key, member] : *object) {
      way.append(": ").append(printable(key));
      if (append_json_path(member, wanted, way)) return true;
      way.resize(length);
    }
  }
  return false;
}

/// A value in a JSON file, to be read as an expected type. A missing field counts as null.
class JsonField {
 public:
  /// The value of the whole file; `where` begins messages. Both must outlive this and all fields.
  JsonField(const nlohmann::json& file, const std::string& where) : JsonField(file, file, where) {}

  /// The member `key` of this object. ConfigError if this is neither an object nor missing.
  BEIT_COLD JsonField operator[](std::string_view key) const {
    if (const auto* const object = object_in(*value_)) {
      if (const auto found = object->find(std::string(key)); found != object->end()) return at(found->second);
    } else if (present()) {
      fail("an object");
    }
    return missing();
  }

  /// Whether this is an object with such a member, which may be null.
  bool has(std::string_view key) const {
    const auto* const object = object_in(*value_);
    return object != nullptr && object->contains(std::string(key));
  }

  /// A field for a value inside this one.
  JsonField at(const nlohmann::json& value) const { return {value, *file_, *where_}; }

  /// A missing field of the same file.
  JsonField missing() const {
    static const nlohmann::json null;
    return at(null);
  }

  bool present() const { return !value_->is_null(); }
  const nlohmann::json& value() const { return *value_; }
  /// The beginning of messages: the file, and the keys that lead to this value.
  BEIT_COLD std::string where() const {
    std::string way = *where_;
    append_json_path(*file_, *value_, way);
    return way;
  }

  BEIT_COLD Index integer() const {
    const std::int64_t* const number = integer_in(*value_);
    if (number == nullptr || *number < 0 || *number > 1'000'000'000) fail("an integer from 0 to 1e9");
    return static_cast<Index>(*number);
  }
  BEIT_COLD double number() const {
    if (const double* const number = float_in(*value_)) return *number;
    if (const std::uint64_t* const number = unsigned_in(*value_)) return static_cast<double>(*number);
    if (const std::int64_t* const number = integer_in(*value_)) return static_cast<double>(*number);
    fail("a number");
  }
  BEIT_COLD bool boolean() const {
    const bool* const value = boolean_in(*value_);
    if (value == nullptr) fail("true or false");
    return *value;
  }
  const std::string& string() const {
    const std::string* const text = string_in(*value_);
    if (text == nullptr) fail("a string");
    return *text;
  }
  /// A string, or a number as text.
  std::string text() const {
    if (value_->is_number()) return json_text(*value_);
    return string();
  }
  /// A number for both sides, or [height, width].
  BEIT_COLD Size size() const {
    const auto* const sides = array_in(*value_);
    if (sides == nullptr) return {integer(), integer()};
    if (sides->size() != 2) fail("a number or [height, width]");
    return {at(sides->front()).integer(), at(sides->back()).integer()};
  }
  /// A number for each of `channels`, or for red, green and blue; one number stands for all channels. All are finite
  /// as floats.
  BEIT_COLD std::vector<float> numbers(Index channels) const {
    const auto* const array = array_in(*value_);
    const bool one = array == nullptr ? value_->is_number() : array->size() == 1;
    if (!one && (array == nullptr || (std::ssize(*array) != channels && array->size() != 3))) {
      fail(concat({channels, channels == 1 ? " number" : " numbers"}));
    }
    std::vector<float> numbers;
    if (one) {
      const JsonField number = array == nullptr ? *this : at(array->front());
      numbers.assign(static_cast<std::size_t>(channels), number.finite_float());
    } else {
      for (const nlohmann::json& x : *array) numbers.push_back(at(x).finite_float());
    }
    return numbers;
  }
  /// Numbers that divide: none is 0.
  BEIT_COLD std::vector<float> divisors(Index channels) const {
    std::vector<float> result = numbers(channels);
    if (std::find(result.begin(), result.end(), 0.0f) != result.end()) fail("numbers other than 0");
    return result;
  }

  [[noreturn]] BEIT_COLD void fail(std::string_view wanted) const {
    throw ConfigError(concat({where(), ": found ", printable(json_text(*value_), 60), ", wanted ", wanted}));
  }

 private:
  float finite_float() const {
    const auto result = static_cast<float>(number());
    if (!std::isfinite(result)) fail("a number within float's range");
    return result;
  }

  JsonField(const nlohmann::json& value, const nlohmann::json& file, const std::string& where)
      : value_(&value), file_(&file), where_(&where) {}

  const nlohmann::json* value_;
  const nlohmann::json* file_;
  const std::string* where_;
};

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
