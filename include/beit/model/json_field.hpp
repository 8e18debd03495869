// JSON values read with a type in mind.
#pragma once

#include <cstdint>
#include <string>
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

  JsonField operator[](const std::string& key) const {
    static const nlohmann::json null;
    if (present() && !value_->is_object()) fail("an object");
    const auto found = present() ? value_->find(key) : value_->end();
    return {present() && found != value_->end() ? *found : null, where_ + ": " + key};
  }

  bool present() const { return !value_->is_null(); }
  const nlohmann::json& value() const { return *value_; }
  const std::string& where() const { return where_; }

  Index integer() const {
    // Compared as a number: nlohmann's comparison of JSON takes half a second to compile.
    const auto number = value_->is_number_integer() ? value_->get<std::int64_t>() : -1;  // negative from 2^63 on
    if (number < 0 || number > 1'000'000'000) fail("an integer from 0 to 1e9");
    return static_cast<Index>(number);
  }
  double number() const {
    if (!value_->is_number()) fail("a number");
    return value_->get<double>();
  }
  bool boolean() const {
    if (!value_->is_boolean()) fail("true or false");
    return value_->get<bool>();
  }
  std::string string() const {
    if (!value_->is_string()) fail("a string");
    return value_->get<std::string>();
  }
  /// A number for both sides, or [height, width].
  Size size() const {
    if (!value_->is_array()) return {integer(), integer()};
    if (value_->size() != 2) fail("a number or [height, width]");
    return {JsonField((*value_)[0], where_).integer(), JsonField((*value_)[1], where_).integer()};
  }
  std::vector<float> three_numbers() const {
    if (!value_->is_array() || value_->size() != 3) fail("3 numbers");
    std::vector<float> numbers;
    for (const nlohmann::json& x : *value_) numbers.push_back(static_cast<float>(JsonField(x, where_).number()));
    return numbers;
  }

  [[noreturn]] void fail(const std::string& wanted) const {
    throw ConfigError(where_ + ": found " + printable(json_text(*value_), 60) + ", wanted " + wanted);
  }

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
