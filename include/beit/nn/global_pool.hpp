// timm's global_pool.
#pragma once

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// How tokens are pooled before the classifier.
enum class GlobalPool {
  avg,    ///< The mean of the patch tokens.
  token,  ///< The class token.
};

}  // namespace beit::inline BEIT_ABI
