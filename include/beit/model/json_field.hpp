// JSON values read with a type in mind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// A JSON value and where it stands, read with a type in mind. A missing field and a null are the same.
class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string where) : value_(&value), where_(std::move(where)) {}

  JsonField operator[](std::string_view key) const {
    static const nlohmann::json null;
    const nlohmann::json* value = &null;
    if (const auto* const object = object_in(*value_)) {
      if (const auto found = object->find(std::string(key)); found != object->end()) value = &found->second;
    } else if (present()) {
      fail("an object");
    }
    return {*value, std::string(where_).append(": ").append(key)};
  }

  bool present() const { return !value_->is_null(); }
  const nlohmann::json& value() const { return *value_; }
  const std::string& where() const { return where_; }

  Index integer() const {
    const std::int64_t* const number = integer_in(*value_);
    if (number == nullptr || *number < 0 || *number > 1'000'000'000) fail("an integer from 0 to 1e9");
    return static_cast<Index>(*number);
  }
  double number() const {
    if (const double* const number = float_in(*value_)) return *number;
    if (const std::uint64_t* const number = unsigned_in(*value_)) return static_cast<double>(*number);
    if (const std::int64_t* const number = integer_in(*value_)) return static_cast<double>(*number);
    fail("a number");
  }
  bool boolean() const {
    const bool* const value = boolean_in(*value_);
    if (value == nullptr) fail("true or false");
    return *value;
  }
  const std::string& string() const {
    const std::string* const text = string_in(*value_);
    if (text == nullptr) fail("a string");
    return *text;
  }
  /// A number for both sides, or [height, width].
  Size size() const {
    const auto* const sides = array_in(*value_);
    if (sides == nullptr) return {integer(), integer()};
    if (sides->size() != 2) fail("a number or [height, width]");
    return {JsonField(sides->front(), where_).integer(), JsonField(sides->back(), where_).integer()};
  }
  std::vector<float> three_numbers() const {
    const auto* const array = array_in(*value_);
    if (array == nullptr || array->size() != 3) fail("3 numbers");
    std::vector<float> numbers;
    for (const nlohmann::json& x : *array) numbers.push_back(static_cast<float>(JsonField(x, where_).number()));
    return numbers;
  }

  [[noreturn]] void fail(std::string_view wanted) const {
    throw ConfigError((where_ + ": found " + printable(json_text(*value_), 60) + ", wanted ").append(wanted));
  }

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
