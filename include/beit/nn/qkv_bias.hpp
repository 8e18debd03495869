// The biases of attention's first product.
#pragma once

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Which of queries, keys and values have a bias.
enum class QkvBias {
  none,
  /// "q_bias" and "v_bias", as in BEiT. A bias of keys would add the same number to every score of a query, which
  /// softmax ignores.
  query_value,
  all,  ///< "qkv.bias", as in BEiT-3.
};

}  // namespace beit::inline BEIT_ABI
