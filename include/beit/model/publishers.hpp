// The publishers whose files are read: each one's names of parameters, and the reader of its configuration.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/hugging_face.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// A publisher of models with its own names and configurations.
struct Publisher {
  std::string_view name;
  NameTable names;
  /// Reads the configuration without the fields of the classifier.
  Config (*read_features)(const WeightScope& weights, const JsonField& config, const JsonField& preprocessor);
  /// Reads the fields of the classifier.
  void (*read_classes)(const WeightScope& weights, const JsonField& config, Config& into);
  /// Whether the preprocessing is in a file of its own.
  bool has_processor = false;
};

/// The names that transformers writes for BeitModel, Data2VecVisionModel and the models with them.
inline constexpr std::array<NameRow, 21> transformers_names{{
    {"blocks.*.norm1.", {"encoder.layer.*.layernorm_before."}},
    {"blocks.*.norm2.", {"encoder.layer.*.layernorm_after."}},
    {"blocks.*.gamma_1", {"encoder.layer.*.lambda_1"}},
    {"blocks.*.gamma_2", {"encoder.layer.*.lambda_2"}},
    {"blocks.*.attn.qkv.weight",
     {"encoder.layer.*.attention.attention.query.weight", "encoder.layer.*.attention.attention.key.weight",
      "encoder.layer.*.attention.attention.value.weight"}},
    {"blocks.*.attn.q_bias", {"encoder.layer.*.attention.attention.query.bias"}},
    {"blocks.*.attn.v_bias", {"encoder.layer.*.attention.attention.value.bias"}},
    {"blocks.*.attn.relative_position_bias_table",
     {"encoder.layer.*.attention.attention.relative_position_bias.relative_position_bias_table"}},
    {"blocks.*.attn.proj.", {"encoder.layer.*.attention.output.dense."}},
    {"blocks.*.mlp.fc1.", {"encoder.layer.*.intermediate.dense."}},
    {"blocks.*.mlp.fc2.", {"encoder.layer.*.output.dense."}},
    {"rel_pos_bias.", {"encoder.relative_position_bias."}},
    {"cls_token", {"embeddings.cls_token"}},
    {"mask_token", {"embeddings.mask_token"}},
    {"pos_embed", {"embeddings.position_embeddings"}},
    {"patch_embed.proj.", {"embeddings.patch_embeddings.projection."}},
    {"fc_norm.", {"pooler.layernorm."}},
    {"norm.", {"layernorm."}},
    {"norm.", {"layernorm."}, true},
    {"lm_norm.", {"layernorm."}, true},  // if the trunk has a norm, too
    {"head.", {"classifier."}, true},
}};

/// All publishers. If the marker of one is part of another's, the longer one comes first.
inline constexpr std::array<Publisher, 2> publishers{{
    {"Hugging Face transformers",
     {"embeddings.cls_token", transformers_names},
     read_hugging_face_features,
     read_hugging_face_classes,
     true},
    {"timm and Microsoft",
     {"cls_token", {}},
     [](const WeightScope& weights, const JsonField& config, const JsonField&) {
       return read_timm_features(weights, config);
     },
     read_timm_classes},
}};

/// The first publisher whose marker is in `file`, or the last one if there is none.
BEIT_COLD inline const Publisher& publisher_of(const WeightReader& file, std::span<const Publisher> from = publishers) {
  const auto found = std::find_if(from.begin(), from.end(), [&](const Publisher& publisher) {
    return prefix_of(file, publisher.names.marker).has_value();
  });
  return found == from.end() ? from.back() : *found;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
