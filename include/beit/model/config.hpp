// The configuration of a BEiT.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/transform.hpp>
#include <beit/nn/global_pool.hpp>
#include <beit/nn/qkv_bias.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The longest side of a model's input, in pixels; it keeps products of sizes from overflowing.
inline constexpr Index max_model_side = 65536;

/// The architecture of a model that was configured for transformers, which is its model_type there.
inline constexpr std::string_view transformers_architecture = "beit";

/// Writes a size for a message, height first: "320x480".
BEIT_COLD inline std::string size_text(Size size) { return concat({size.height, "x", size.width}); }

/// Returns `config` after checking it.
template <typename Checked>
Checked checked(Checked config) {
  config.check();
  return config;
}

}  // namespace detail

/// The configuration of a BEiT's trunk: timm.models.beit.Beit without its classifier. The defaults are those of
/// beit_base_patch16_224.
struct TrunkConfig {
  std::string architecture;      ///< timm's name, "beit_base_patch16_224"; "beit" for transformers'; may be empty.
  Size image_size{224, 224};     ///< H and W, in pixels: multiples of the patch size.
  Size patch_size{16, 16};       ///< P, in pixels.
  Index in_chans = 3;            ///< Channels per image.
  Index embed_dim = 768;         ///< C.
  Index depth = 12;              ///< Number of blocks.
  Index num_heads = 12;          ///< A; divides C.
  Index mlp_hidden = 3072;       ///< M, timm's int(embed_dim * mlp_ratio).
  bool use_fc_norm = true;       ///< Whether the norm follows pooling (`fc_norm`) instead of preceding it (`norm`).
  bool use_final_norm = true;    ///< Whether a model without `fc_norm` has a `norm`.
  float layer_norm_eps = 1e-6f;  ///< Epsilon of every norm, at least 0. Hugging Face's is 1e-12, BEiT-3's 1e-5.
  QkvBias qkv_bias = QkvBias::query_value;  ///< Which of queries, keys and values have a bias.
  bool scale_attn_norm = false;             ///< BEiT-3's norm of attention's result before its last product.
  bool scale_mlp_norm = false;              ///< BEiT-3's norm of the MLP's hidden features.
  bool layer_scale = true;                  ///< timm's init_values: gamma_1 and gamma_2.
  bool use_abs_pos_emb = false;             ///< Whether a vector is added to each token.
  bool use_rel_pos_bias = true;             ///< Whether each block has a table of relative positions.
  bool use_shared_rel_pos_bias = false;     ///< Whether all blocks have one table of relative positions.
  Preprocessing preprocessing;              ///< The preprocessing of images; its input_size is image_size.

  /// The grid of patches.
  [[nodiscard]] Size grid() const {
    return {image_size.height / patch_size.height, image_size.width / patch_size.width};
  }
  /// N, the number of tokens: the class token and the patches.
  [[nodiscard]] Index num_tokens() const { return 1 + grid().area(); }

  /// Throws ConfigError unless this describes a possible trunk.
  BEIT_COLD void check() const {
    const auto fail = [](const std::string& message) { throw ConfigError(detail::concat({"config: ", message})); };
    for (const auto& [name, value] :
         {std::pair("in_chans", in_chans), std::pair("embed_dim", embed_dim), std::pair("depth", depth),
          std::pair("num_heads", num_heads), std::pair("mlp_hidden", mlp_hidden),
          std::pair("patch_size", std::min(patch_size.height, patch_size.width))}) {
      if (value <= 0) fail(detail::concat({"found ", name, " ", value, ", wanted at least 1"}));
    }
    if (embed_dim % num_heads != 0) {
      fail(detail::concat({"found embed_dim ", embed_dim, ", wanted a multiple of num_heads ", num_heads}));
    }
    if (image_size.height < patch_size.height || image_size.width < patch_size.width ||
        image_size.height % patch_size.height != 0 || image_size.width % patch_size.width != 0) {
      fail(detail::concat({"found image size ", detail::size_text(image_size), ", wanted a multiple of the patch size ",
                           detail::size_text(patch_size)}));
    }
    constexpr Index most = detail::max_model_side;
    if (image_size.height > most || image_size.width > most) {
      fail(detail::concat(
          {"found image size ", detail::size_text(image_size), ", wanted at most ", detail::size_text({most, most})}));
    }
    if (preprocessing.input_size != image_size) {
      fail(detail::concat({"found input_size ", detail::size_text(preprocessing.input_size), ", wanted the image size ",
                           detail::size_text(image_size)}));
    }
    if (!std::isfinite(layer_norm_eps) || layer_norm_eps < 0) {
      fail(
          detail::concat({"found layer_norm_eps ", std::to_string(layer_norm_eps), ", wanted a number of at least 0"}));
    }
    detail::require_valid(preprocessing);
  }
};

/// The function that turns the logits of an image into scores.
enum class ScoreFunction {
  softmax,   ///< Probabilities of classes that exclude each other; their sum is 1.
  sigmoid,   ///< A probability of each class by itself, for several labels per image, or for a single logit.
  identity,  ///< The logits themselves, for regression.
};

/// The configuration of a Beit: a trunk, the pooling of its tokens, and the classifier.
struct Config : TrunkConfig {
  GlobalPool global_pool = GlobalPool::avg;  ///< How tokens are pooled.
  Index num_classes = 1000;                  ///< K; 0 for features only.
  /// The names of the K classes (descriptions if the source has some), or none.
  std::vector<std::string> labels{};
  ScoreFunction score_function = ScoreFunction::softmax;  ///< Makes scores of logits in classify.

  /// Throws ConfigError unless this describes a possible model.
  BEIT_COLD void check() const {
    TrunkConfig::check();
    if (num_classes < 0) {
      throw ConfigError(detail::concat({"config: found num_classes ", num_classes, ", wanted at least 0"}));
    }
    if (!labels.empty() && static_cast<Index>(labels.size()) != num_classes) {
      throw ConfigError(detail::concat({"config: found ", labels.size(), " labels, wanted num_classes ", num_classes}));
    }
  }
};

}  // namespace beit::inline BEIT_ABI
