// timm's global_pool.
#pragma once

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// What becomes of the tokens before the classifier.
enum class GlobalPool {
  avg,    ///< The mean of the patch tokens.
  token,  ///< The class token.
};

}  // namespace beit::inline BEIT_ABI
