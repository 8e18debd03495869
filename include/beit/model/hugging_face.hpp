// Reads the Config of a model of Hugging Face's transformers: config.json and its image processor.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/preprocessing_file.hpp>
#include <beit/model/trunk_shapes.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Reads the class names of config.json: {"0": "tench", ...}, one for each class, or none. The parameter `head` tells
/// the number of classes.
BEIT_COLD inline std::vector<std::string> read_id2label(const JsonField& field, const WeightScope& weights,
                                                        Index classes, std::string_view head = "head.weight") {
  if (!field.present() && classes == 2) return {"LABEL_0", "LABEL_1"};  // transformers leaves its default out
  if (!field.present() || classes == 0) return {};
  if (!field.value().is_object() || static_cast<Index>(field.value().size()) != classes) {
    field.fail(concat({"a name for each of the ", classes, " classes of the weights (", weights.where(head), ")"}));
  }
  std::vector<std::string> labels;
  for (Index i = 0; i < classes; ++i) {
    const JsonField name = field[std::to_string(i)];
    if (!name.present()) field.fail(concat({"a name for class ", i}));
    labels.push_back(name.text());
  }
  return labels;
}

/// Checks the trunk in transformers' config.json. ConfigError if it contradicts the shapes.
BEIT_COLD inline void check_hugging_face(const JsonField& json, const WeightScope& weights, const TrunkConfig& config) {
  const FieldsAgainstShapes fields{json, weights};
  fields.integer("hidden_size", config.embed_dim, "patch_embed.proj.weight");
  fields.integer("num_channels", config.in_chans, "patch_embed.proj.weight");
  fields.size("patch_size", config.patch_size, "patch_embed.proj.weight");
  fields.integer("num_hidden_layers", config.depth, last_block(config));
  fields.integer("num_attention_heads", config.num_heads, heads_of(config));
  fields.integer("intermediate_size", config.mlp_hidden, "blocks.0.mlp.fc1.weight");
  fields.boolean("use_absolute_position_embeddings", config.use_abs_pos_emb, "pos_embed");
  fields.boolean("use_relative_position_bias", config.use_rel_pos_bias, "blocks.0.attn.relative_position_bias_table");
  fields.boolean("use_shared_relative_position_bias", config.use_shared_rel_pos_bias,
                 "rel_pos_bias.relative_position_bias_table");
  if (const JsonField f = json["layer_scale_init_value"]; f.present()) {
    require_agreement(f, f.number() > 0, config.layer_scale, weights, "blocks.0.gamma_1");
  }
  if (const JsonField f = json["hidden_act"]; f.present() && f.string() != "gelu") f.fail("\"gelu\"");
}

/// Reads the configuration of a model of transformers (BeitForImageClassification, BeitModel and their Data2VecVision
/// kin), without the fields of its classifier. `weights` has timm's names (TimmNames).
///
/// Without `preprocessor`, the arguments of an image processor, the preprocessing is left to the caller. As in
/// read_config, shapes decide and the JSON may not contradict them. ConfigError for a contradiction, for another type
/// of model, or for missing information.
BEIT_COLD inline Config read_hugging_face_features(const WeightScope& weights, const JsonField& root,
                                                   const JsonField& preprocessor) {
  if (const JsonField f = root["model_type"]; f.present()) {
    if (f.string() != "beit" && f.string() != "data2vec-vision") f.fail("\"beit\" or \"data2vec-vision\"");
  }
  Config config{infer_from_shapes(weights)};
  config.num_classes = 0;
  config.architecture = transformers_architecture;
  config.use_final_norm = weights.has("norm.weight");
  if (config.num_heads == 0) {
    if (!root["num_attention_heads"].present()) {
      throw ConfigError(
          concat({root.where(),
                  ": found no num_attention_heads, wanted one, because the weights have no relative position bias"}));
    }
    config.num_heads = root["num_attention_heads"].integer();
  }
  if (const JsonField f = root["image_size"]; f.present()) {
    config.image_size = f.size();
  } else if (config.image_size.area() == 0) {
    throw ConfigError(concat(
        {root.where(), ": found no image_size, wanted one, because the weights don't determine the grid of patches"}));
  }
  check_hugging_face(root, weights, config);
  config.global_pool = config.use_fc_norm ? GlobalPool::avg : GlobalPool::token;
  if (const JsonField f = root["use_mean_pooling"]; f.present()) {
    // A trunk without a pooler can't contradict the JSON.
    if (config.use_fc_norm) require_agreement(f, f.boolean(), true, weights, "fc_norm.weight");
    config.global_pool = f.boolean() ? GlobalPool::avg : GlobalPool::token;
    if (!f.boolean()) config.use_final_norm = true;  // which the class token needs
  }
  config.layer_norm_eps = 1e-12f;
  if (const JsonField f = root["layer_norm_eps"]; f.present()) {
    config.layer_norm_eps = static_cast<float>(f.number());
  }
  config.preprocessing.input_size = config.image_size;
  if (preprocessor.present()) {
    config.preprocessing =
        read_either_preprocessing(preprocessor, root["image_processor_type"], config.in_chans, config.image_size);
  }
  return config;
}

/// Reads the fields of the classifier in transformers' config.json.
BEIT_COLD inline void read_hugging_face_classes(const WeightScope& weights, const JsonField& root, Config& config) {
  config.num_classes = rows_of(weights, "head.weight");
  config.labels = read_id2label(root["id2label"], weights, config.num_classes);
  config.score_function = read_score_function(root["problem_type"], config.num_classes);
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
