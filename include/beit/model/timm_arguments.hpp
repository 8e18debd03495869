// The arguments of timm's models that a configuration may carry, and what becomes of each.
#pragma once

#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>
#include <beit/model/json_field.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// An argument of timm's Beit or VisionTransformer.
struct TimmArgument {
  std::string_view name;
  /// The only value, as JSON, with which the library computes the same as timm; empty if other code reads the argument
  /// or compares it with the weights, or if it has no effect on a trained model.
  std::string_view only = {};
  std::string_view changes = {};  ///< The part of the model that other values change.
};

/// All arguments of both classes in timm 1.0.31, but those that no JSON can hold.
inline constexpr std::array timm_arguments{
    // Read, or compared with the weights.
    TimmArgument{"img_size"},
    TimmArgument{"patch_size"},
    TimmArgument{"in_chans"},
    TimmArgument{"num_classes"},
    TimmArgument{"global_pool"},
    TimmArgument{"embed_dim"},
    TimmArgument{"depth"},
    TimmArgument{"num_heads"},
    TimmArgument{"mlp_ratio"},
    TimmArgument{"qkv_bias"},
    TimmArgument{"scale_mlp"},
    TimmArgument{"scale_attn_norm"},
    TimmArgument{"scale_mlp_norm"},
    TimmArgument{"init_values"},
    TimmArgument{"use_abs_pos_emb"},
    TimmArgument{"use_rel_pos_bias"},
    TimmArgument{"use_shared_rel_pos_bias"},
    TimmArgument{"use_fc_norm"},
    TimmArgument{"fc_norm"},
    TimmArgument{"pos_embed"},
    // Without effect on a trained model.
    TimmArgument{"drop_rate"},
    TimmArgument{"pos_drop_rate"},
    TimmArgument{"patch_drop_rate"},
    TimmArgument{"proj_drop_rate"},
    TimmArgument{"attn_drop_rate"},
    TimmArgument{"drop_path_rate"},
    TimmArgument{"head_init_scale"},
    TimmArgument{"weight_init"},
    TimmArgument{"fix_init"},
    TimmArgument{"dynamic_img_size"},
    TimmArgument{"dynamic_img_pad"},
    // Refused.
    TimmArgument{"swiglu_mlp", "false", "the MLP"},
    TimmArgument{"qk_norm", "false", "attention"},
    TimmArgument{"proj_bias", "true", "the projections"},
    TimmArgument{"class_token", "true", "the tokens"},
    TimmArgument{"no_embed_class", "false", "the positions"},
    TimmArgument{"reg_tokens", "0", "the tokens"},
    TimmArgument{"pre_norm", "false", "the norms"},
    TimmArgument{"final_norm", "true", "the norms"},
    TimmArgument{"pool_include_prefix", "false", "the pooling"},
    TimmArgument{"act_layer", "\"gelu\"", "the MLP"},
    TimmArgument{"norm_layer", "null", "the norms"},
    TimmArgument{"embed_norm_layer", "null", "the patches"},
    TimmArgument{"attn_layer", "\"attn\"", "attention"},
    TimmArgument{"features_only", "false", "the result"},
    TimmArgument{"pruned", "false", "the blocks"},
};

/// Throws ConfigError if an argument in timm's model_args is unknown, or if it changes the arithmetic to one that isn't
/// implemented.
BEIT_COLD inline void check_timm_arguments(const JsonField& args) {
  const auto* const object = object_in(args.value());
  if (object == nullptr) {
    if (args.present()) args.fail("an object");
    return;
  }
  for (const auto& [key, value] : *object) {
    if (value.is_null()) continue;  // as timm's create_model does
    const TimmArgument* found = nullptr;
    for (const TimmArgument& argument : timm_arguments) {
      if (argument.name == key) found = &argument;
    }
    const JsonField field = args.at(value);
    if (found == nullptr) field.fail("none: timm 1.0.31's Beit and VisionTransformer have no such argument");
    if (found->only.empty() || json_text(value) == found->only) continue;
    field.fail(concat({found->only, ": another value changes ", found->changes, " in a way that isn't implemented"}));
  }
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
