// The biases of an attention's first product.
#pragma once

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// What queries, keys and values have in the way of biases.
enum class QkvBias {
  none,
  /// BEiT's: "q_bias" and "v_bias". A key's would add the same to every score of a query, which softmax ignores.
  query_value,
  all,  ///< "qkv.bias", as BEiT-3 has them all the same.
};

}  // namespace beit::inline BEIT_ABI
