// JSON values read with a type in mind.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
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
    if (!value_->is_number_integer() || *value_ < 0 || *value_ > 1'000'000'000) fail("an integer from 0 to 1e9");
    return value_->get<Index>();
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
    const std::string found = value_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    throw ConfigError(where_ + ": found " + printable(found, 60) + ", wanted " + wanted);
  }

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
