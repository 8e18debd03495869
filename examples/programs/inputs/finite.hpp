// Finds results of a model that no one can use: a model whose numbers overflow gives NaN or infinity without an error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace programs {

/// Says what is wrong with a model's numbers for an image: "" if all are finite.
inline std::string fault_of(std::span<const float> numbers) {
  const auto found = std::find_if_not(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
  if (found == numbers.end()) return "";
  return std::string("the model's result is ") + (std::isnan(*found) ? "not a number" : "infinite");
}
/// Tokens are always whole numbers.
inline std::string fault_of(std::span<const std::int32_t>) { return ""; }

/// Throws std::runtime_error, which begins with the image's name, if a number isn't finite.
inline void require_finite(const std::string& image, std::span<const float> numbers) {
  if (const std::string fault = fault_of(numbers); !fault.empty()) throw std::runtime_error(image + ": " + fault);
}

}  // namespace programs
