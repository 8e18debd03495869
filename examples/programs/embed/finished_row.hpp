// The last step before a row is written: its length, and whether its number type can hold it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

class FinishedRow {
 public:
  /// With `normalize`, rows get unit length.
  FinishedRow(bool normalize, beit::NpyType type) : normalize_(normalize), type_(type) {}

  /// Finishes a row of finite numbers, which is then valid until the next call. Returns "", or why it can't be written.
  std::string finish(std::span<const float>& row) {
    if (normalize_) {
      double sum = 0;
      for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
      if (sum == 0) return "all features are 0, which no factor gives unit length";
      unit_.resize(row.size());
      std::transform(row.begin(), row.end(), unit_.begin(), [scale = 1 / std::sqrt(sum)](float x) {
        return static_cast<float>(static_cast<double>(x) * scale);
      });
      row = unit_;
    }
    constexpr float first_infinity = 65520;  // from here on, float16 rounds to infinity
    const auto large = std::find_if(row.begin(), row.end(), [](float x) { return std::abs(x) >= first_infinity; });
    if (type_ != beit::NpyType::float16 || large == row.end()) return "";
    std::ostringstream text;
    text << "found a feature of " << *large << ", which float16 can't hold: use --dtype float32";
    return text.str();
  }
  /// Tokens are written as they are.
  static std::string finish(std::span<const std::int32_t>&) { return ""; }

 private:
  bool normalize_;
  beit::NpyType type_;
  std::vector<float> unit_;
};

}  // namespace programs
