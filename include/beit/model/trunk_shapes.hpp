// Infers a trunk from the shapes of its parameters, and checks that a configuration agrees with them.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/presets.hpp>
#include <beit/nn/qkv_bias.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Throws ConfigError if `field` exists and contradicts the shapes, which a parameter tells.
template <typename Value>
void require_agreement(const JsonField& field, Value said, Value shapes, const WeightScope& weights,
                       std::string_view parameter) {
  if (said == shapes) return;
  const auto text = [&] {
    if constexpr (std::is_same_v<Value, Size>) {
      return size_text(shapes);
    } else {
      return json_text(shapes);
    }
  };
  field.fail(concat({text(), " as the weights have it (", weights.where(parameter), ")"}));
}

/// The shape of a parameter that must have `rank` dimensions.
BEIT_COLD inline std::vector<Index> shape_of_rank(const WeightScope& weights, const char* name, std::size_t rank) {
  std::vector<Index> shape = weights.shape(name);
  if (shape.size() != rank) {
    throw WeightError(
        concat({weights.where(name), ": found shape ", shape_text(shape), ", wanted ", rank, " dimensions"}));
  }
  return shape;
}

/// Returns G if `count` is G*G, else 0.
inline Index exact_square_root(Index count) {
  if (count < 1) return 0;
  const auto root = static_cast<Index>(std::round(std::sqrt(static_cast<double>(count))));
  return root * root == count ? root : 0;
}

/// The name of the table of relative positions, or null if the model has none.
inline const char* relative_position_table(const TrunkConfig& config) {
  if (config.use_rel_pos_bias) return "blocks.0.attn.relative_position_bias_table";
  if (config.use_shared_rel_pos_bias) return "rel_pos_bias.relative_position_bias_table";
  return nullptr;
}

/// The number of rows of a matrix; 0 if it is missing.
BEIT_COLD inline Index rows_of(const WeightScope& weights, const char* name) {
  return weights.has(name) ? shape_of_rank(weights, name, 2)[0] : 0;
}

/// Infers a configuration from the shapes of the parameters alone. num_heads and image_size are 0 if they don't follow:
/// heads follow only from a table of relative positions, the image size from that or from pos_embed, for squares.
BEIT_COLD inline TrunkConfig infer_from_shapes(const WeightScope& weights) {
  TrunkConfig config;
  const std::vector<Index> patch = shape_of_rank(weights, "patch_embed.proj.weight", 4);  // (C, in_chans, Ph, Pw)
  config.embed_dim = patch[0];
  config.in_chans = patch[1];
  config.patch_size = {patch[2], patch[3]};
  config.depth = 0;
  while (weights.has(concat({"blocks.", config.depth, ".norm1.weight"}))) ++config.depth;
  if (config.depth == 0) throw WeightError(concat({weights.where("blocks.0.norm1.weight"), ": tensor is missing"}));
  if (weights.has("blocks.0.mlp.fc1_g.weight")) {
    throw WeightError(concat({weights.where("blocks.0.mlp.fc1_g.weight"),
                              ": found a gated MLP (timm's swiglu_mlp), which isn't implemented, wanted mlp.fc1"}));
  }
  config.mlp_hidden = shape_of_rank(weights, "blocks.0.mlp.fc1.weight", 2)[0];
  config.qkv_bias = weights.has("blocks.0.attn.qkv.bias") ? QkvBias::all
                    : weights.has("blocks.0.attn.q_bias") ? QkvBias::query_value
                                                          : QkvBias::none;
  config.scale_attn_norm = weights.has("blocks.0.attn.norm.weight");
  config.scale_mlp_norm = weights.has("blocks.0.mlp.norm.weight");
  // timm's Beit has a norm in the MLP if scale_mlp is set, and BEiT-3 one in attention, too, and a bias for keys.
  if (config.scale_attn_norm || (config.scale_mlp_norm && config.qkv_bias == QkvBias::all)) {
    config.layer_norm_eps = beit3_eps;
  }
  config.layer_scale = weights.has("blocks.0.gamma_1");
  config.use_abs_pos_emb = weights.has("pos_embed");
  config.use_rel_pos_bias = weights.has("blocks.0.attn.relative_position_bias_table");
  config.use_shared_rel_pos_bias = weights.has("rel_pos_bias.relative_position_bias_table");
  config.use_fc_norm = weights.has("fc_norm.weight");

  config.num_heads = 0;
  Index side = 0;
  if (const char* table = relative_position_table(config)) {
    const std::vector<Index> shape = shape_of_rank(weights, table, 2);  // ((2*Gh-1)*(2*Gw-1) + 3, A)
    config.num_heads = shape[1];
    const Index offsets = exact_square_root(shape[0] - 3);
    if (offsets % 2 == 1) side = (offsets + 1) / 2;
  } else if (config.use_abs_pos_emb) {
    side = exact_square_root(shape_of_rank(weights, "pos_embed", 3)[1] - 1);  // (1, N, C)
  }
  if (side > 65536 || config.patch_size.height > 65536 || config.patch_size.width > 65536) side = 0;
  config.image_size = {side * config.patch_size.height, side * config.patch_size.width};
  return config;
}

/// Fields of an object, each of which must agree with the shapes or be missing. Each has a parameter that tells.
struct FieldsAgainstShapes {
  JsonField object;
  const WeightScope& weights;

  BEIT_COLD void integer(const char* key, Index shapes, std::string_view parameter) const {
    if (const JsonField f = object[key]; f.present()) require_agreement(f, f.integer(), shapes, weights, parameter);
  }
  BEIT_COLD void boolean(const char* key, bool shapes, std::string_view parameter) const {
    if (const JsonField f = object[key]; f.present()) require_agreement(f, f.boolean(), shapes, weights, parameter);
  }
  BEIT_COLD void size(const char* key, Size shapes, std::string_view parameter) const {
    if (const JsonField f = object[key]; f.present()) require_agreement(f, f.size(), shapes, weights, parameter);
  }
};

/// The names of parameters that tell the depth and the heads.
inline std::string last_block(const TrunkConfig& config) {
  return concat({"blocks.", config.depth - 1, ".norm1.weight"});
}
inline std::string_view heads_of(const TrunkConfig& config) {
  const char* const table = relative_position_table(config);
  return table != nullptr ? table : "blocks.0.attn.qkv.weight";
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
