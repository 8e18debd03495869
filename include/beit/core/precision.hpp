// The precisions that a model may multiply in, and their names.
#pragma once

#include <string_view>

#include <beit/core/enum_names.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The number format in which a model's matrices are stored and multiplied. Sums, the residual stream, layer norm,
/// softmax and GELU are float in every precision.
enum class Precision {
  float32,     ///< Single precision, or on tiles its exact equivalent: three bfloat16 parts and six products.
  float_fast,  ///< On tiles two bfloat16 parts, three products, about 16 bits; elsewhere float32, but for convolutions.
  bfloat16,  ///< bfloat16 by bfloat16, or, on processors without such instructions, weights in bfloat16 and products in
             ///< float.
  int8,      ///< Weights quantised per output channel, activations per token; attention as in bfloat16.
};

/// All precisions.
inline constexpr Precision precisions[] = {Precision::float32, Precision::float_fast, Precision::bfloat16,
                                           Precision::int8};

/// The name of a precision ("float", ...), as the programs' --precision takes it.
constexpr std::string_view precision_name(Precision precision) {
  constexpr std::string_view names[] = {"float", "float-fast", "bfloat16", "int8"};
  return names[static_cast<int>(precision)];
}

/// The precision of a name: "float" -> Precision::float32. ArgumentError for a name that precision_name doesn't return.
inline Precision precision_from_name(std::string_view name) {
  return detail::from_name("precision", name, precisions, precision_name);
}

}  // namespace beit::inline BEIT_ABI
