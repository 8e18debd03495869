// What a model is made of, how its input is made, and what its classes are called.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
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

/// Of images that a model takes: products of sizes can't overflow.
inline constexpr Index max_model_side = 65536;

/// "320x480": height, then width.
BEIT_COLD inline std::string size_text(Size size) { return concat({size.height, "x", size.width}); }

}  // namespace detail

/// What timm.models.beit.Beit is made from (the defaults are beit_base_patch16_224's), the fields of timm's
/// pretrained_cfg that inference needs, and labels.
struct Config {
  std::string architecture;   ///< timm's name, "beit_base_patch16_224"; may be empty.
  Size image_size{224, 224};  ///< H and W, in pixels: multiples of the patch's.
  Size patch_size{16, 16};    ///< P, in pixels.
  Index in_chans = 3;         ///< Channels of an image.
  Index embed_dim = 768;      ///< C
  Index depth = 12;           ///< Blocks.
  Index num_heads = 12;       ///< A; divides C.
  Index mlp_hidden = 3072;    ///< M, timm's int(embed_dim * mlp_ratio).
  Index num_classes = 1000;   ///< K; 0 for features only.
  Index vocab_size = 0;       ///< V: visual tokens that a masked-image head tells apart; 0 where there is none.
  GlobalPool global_pool = GlobalPool::avg;  ///< What the head reads of the tokens.
  bool use_fc_norm = true;                   ///< Norm after pooling (`fc_norm`) instead of before it (`norm`).
  bool use_final_norm = true;    ///< `norm` where there is no `fc_norm`; trunks of segmentation models have none.
  float layer_norm_eps = 1e-6f;  ///< Of every norm, at least 0: timm's default; Hugging Face's is 1e-12, BEiT-3's 1e-5.
  QkvBias qkv_bias = QkvBias::query_value;  ///< Which of queries, keys and values have one.
  bool scale_attn_norm = false;             ///< BEiT-3's norm of attention's result before its last product.
  bool scale_mlp_norm = false;              ///< BEiT-3's norm of the MLP's hidden features.
  bool layer_scale = true;                  ///< timm's init_values: gamma_1 and gamma_2.
  bool use_abs_pos_emb = false;             ///< A vector added to each token.
  bool use_rel_pos_bias = true;             ///< A table of relative positions in each block.
  bool use_shared_rel_pos_bias = false;     ///< One table for all blocks.
  Preprocessing preprocessing;              ///< Of images.
  /// The class's name for each of the K classes (its description where the source has one); may be empty.
  std::vector<std::string> labels;

  /// Patches down and across.
  Size grid() const { return {image_size.height / patch_size.height, image_size.width / patch_size.width}; }
  /// N: the class token and the patches.
  Index num_tokens() const { return 1 + grid().area(); }

  /// ConfigError unless a model can be made of this.
  BEIT_COLD void check() const {
    const auto fail = [](const std::string& message) { throw ConfigError(detail::concat({"config: ", message})); };
    for (const auto& [name, value] :
         {std::pair("in_chans", in_chans), std::pair("embed_dim", embed_dim), std::pair("depth", depth),
          std::pair("num_heads", num_heads), std::pair("mlp_hidden", mlp_hidden),
          std::pair("patch_size", std::min(patch_size.height, patch_size.width)),
          std::pair("num_classes + 1", num_classes + 1), std::pair("vocab_size + 1", vocab_size + 1)}) {
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
    if (!labels.empty() && static_cast<Index>(labels.size()) != num_classes) {
      fail(detail::concat({"found ", labels.size(), " labels, wanted num_classes ", num_classes}));
    }
    detail::require_valid(preprocessing);
  }
};

}  // namespace beit::inline BEIT_ABI
