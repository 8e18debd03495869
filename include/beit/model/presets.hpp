// The configurations of timm's BEiT architectures, by name.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/qkv_bias.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

inline constexpr float beit3_eps = 1e-5f;

/// One of timm's architectures, by its differences from Config's defaults.
struct Preset {
  std::string_view architecture;
  Index image_size, embed_dim, depth, num_heads;
  float mean[3], std[3];
  double crop_pct;

  /// Whether it is timm's VisionTransformer with BEiT-3's norms instead of its Beit.
  bool beit3() const { return architecture.starts_with("beit3_"); }

  Preprocessing preprocessing() const {
    Preprocessing result;
    result.input_size = {image_size, image_size};
    result.crop_pct = crop_pct;
    result.mean.assign(mean, mean + 3);
    result.std.assign(std, std + 3);
    return result;
  }
};

// Source: the registered functions and default_cfgs in timm/models/beit.py and vision_transformer.py.
inline constexpr std::array<Preset, 9> presets{{
    {"beit_base_patch16_224", 224, 768, 12, 12, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, 0.9},
    {"beit_base_patch16_384", 384, 768, 12, 12, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, 1.0},
    {"beit_large_patch16_224", 224, 1024, 24, 16, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, 0.9},
    {"beit_large_patch16_384", 384, 1024, 24, 16, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, 1.0},
    {"beit_large_patch16_512", 512, 1024, 24, 16, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, 1.0},
    {"beitv2_base_patch16_224", 224, 768, 12, 12, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 0.9},
    {"beitv2_large_patch16_224", 224, 1024, 24, 16, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 0.95},
    {"beit3_base_patch16_224", 224, 768, 12, 12, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 1.0},
    {"beit3_large_patch16_224", 224, 1024, 24, 16, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 1.0},
}};

/// The preset for an architecture's name; a tag after a dot ("....in22k_ft_in22k_in1k") is ignored. Null for an unknown
/// name.
inline const Preset* find_preset(std::string_view architecture) {
  const std::string_view name = architecture.substr(0, architecture.find('.'));
  for (const Preset& preset : presets) {
    if (preset.architecture == name) return &preset;
  }
  return nullptr;
}

}  // namespace detail

/// The names that preset() takes.
[[nodiscard]] inline std::vector<std::string_view> preset_names() {
  std::vector<std::string_view> names;
  for (const detail::Preset& preset : detail::presets) names.push_back(preset.architecture);
  return names;
}

/// The configuration of one of timm's BEiT architectures with 1,000 classes and without labels.
/// A tag after a dot ("....in22k_ft_in22k_in1k") is ignored. ConfigError for a name that preset_names() lacks.
[[nodiscard]] BEIT_COLD inline Config preset(std::string_view architecture) {
  const detail::Preset* const known = detail::find_preset(architecture);
  if (known == nullptr) {
    std::string names;
    for (const std::string_view name : preset_names()) detail::append_item(names, name);
    throw ConfigError(detail::concat({"architecture: found '", architecture, "', wanted one of ", names}));
  }
  Config config;
  config.architecture = known->architecture;
  config.preprocessing = known->preprocessing();
  config.image_size = config.preprocessing.input_size;
  config.embed_dim = known->embed_dim;
  config.depth = known->depth;
  config.num_heads = known->num_heads;
  config.mlp_hidden = 4 * known->embed_dim;
  if (known->beit3()) {
    config.layer_norm_eps = detail::beit3_eps;
    config.qkv_bias = QkvBias::all;
    config.scale_attn_norm = config.scale_mlp_norm = config.use_abs_pos_emb = true;
    config.layer_scale = config.use_rel_pos_bias = false;
  }
  return config;
}

}  // namespace beit::inline BEIT_ABI
