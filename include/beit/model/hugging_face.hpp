// Reads the Config of a model of Hugging Face's transformers: config.json and preprocessor_config.json.
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
#include <beit/image/transform.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/json_field.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Reads the class names of config.json: {"0": "tench", ...}, one for each class, or none.
BEIT_COLD inline std::vector<std::string> read_id2label(const JsonField& field, Index classes) {
  if (!field.present() || classes == 0) return {};
  if (!field.value().is_object() || static_cast<Index>(field.value().size()) != classes) {
    field.fail(concat({"a name for each of the ", classes, " classes of the weights (classifier.weight)"}));
  }
  std::vector<std::string> labels;
  for (Index i = 0; i < classes; ++i) {
    const JsonField name = field[std::to_string(i)];
    if (!name.present()) field.fail(concat({"a name for class ", i}));
    labels.push_back(name.string());
  }
  return labels;
}

/// Checks the trunk in transformers' config.json. ConfigError if it contradicts the shapes.
BEIT_COLD inline void check_hugging_face(const JsonField& json, const TrunkConfig& config) {
  const FieldsAgainstShapes fields{json};
  fields.integer("hidden_size", config.embed_dim, "patch_embeddings.projection.weight");
  fields.integer("num_channels", config.in_chans, "patch_embeddings.projection.weight");
  fields.integer("num_hidden_layers", config.depth, "encoder.layer");
  fields.integer("num_attention_heads", config.num_heads, "relative_position_bias_table");
  fields.integer("intermediate_size", config.mlp_hidden, "intermediate.dense.weight");
  fields.boolean("use_absolute_position_embeddings", config.use_abs_pos_emb, "position_embeddings");
  fields.boolean("use_relative_position_bias", config.use_rel_pos_bias, "attention.relative_position_bias_table");
  fields.boolean("use_shared_relative_position_bias", config.use_shared_rel_pos_bias, "encoder.relative_position_bias");
  if (const JsonField f = json["layer_scale_init_value"]; f.present()) {
    require_agreement(f, f.number() > 0, config.layer_scale, "lambda_1");
  }
  if (const JsonField f = json["patch_size"]; f.present() && f.size() != config.patch_size) {
    f.fail(concat({size_text(config.patch_size), " as the weights have it (patch_embeddings.projection.weight)"}));
  }
  if (const JsonField f = json["hidden_act"]; f.present() && f.string() != "gelu") f.fail("\"gelu\"");
}

/// Reads a size: a number for both sides, or {"height": 224, "width": 224}.
BEIT_COLD inline Size read_size(const JsonField& field) {
  if (!field.value().is_object()) return field.size();
  const JsonField height = field["height"], width = field["width"];
  if (!height.present() || !width.present()) field.fail("a number, or height and width");
  return {height.integer(), width.integer()};
}

/// Reads the arguments of BeitImageProcessor; missing ones have the class's defaults.
BEIT_COLD inline Preprocessing read_preprocessor(const JsonField& json) {
  const auto flag = [&](const char* key) { return !json[key].present() || json[key].boolean(); };
  if (!flag("do_resize")) json["do_resize"].fail("true: images come in any size");
  Preprocessing result;
  const JsonField size = json["size"], crop = json["crop_size"];
  result.resize_to = size.present() ? read_size(size) : Size{256, 256};
  result.input_size = !flag("do_center_crop") ? result.resize_to : crop.present() ? read_size(crop) : Size{224, 224};
  result.crop_mode = CropMode::squash;
  result.crop_pct = 1;
  if (const JsonField f = json["resample"]; f.present()) {
    constexpr Interpolation pillow[]{Interpolation::nearest, Interpolation::lanczos, Interpolation::bilinear,
                                     Interpolation::bicubic, Interpolation::box,     Interpolation::hamming};
    if (f.integer() >= std::ssize(pillow)) f.fail("Pillow's number of a filter, 0 to 5");
    result.interpolation = pillow[f.integer()];
  }
  if (!flag("do_rescale")) {
    result.rescale_factor = 1;
  } else if (const JsonField f = json["rescale_factor"]; f.present()) {
    result.rescale_factor = f.number();
  }
  if (!flag("do_normalize")) {
    result.mean.assign(3, 0.0f);
    result.std.assign(3, 1.0f);
    return result;
  }
  if (const JsonField f = json["image_mean"]; f.present()) result.mean = f.three_numbers();
  if (const JsonField f = json["image_std"]; f.present()) result.std = f.three_numbers();
  return result;
}

/// Reads the configuration of a model of transformers (BeitForImageClassification, BeitModel and their Data2VecVision
/// kin), without the fields of its classifier. `weights` has timm's names (TimmNames).
///
/// Without preprocessor_config.json, images are resized to the model's size, bicubic, and normalised by 0.5. As in
/// read_config, shapes decide and the JSON may not contradict them. ConfigError for a contradiction, for another type
/// of model, or for missing information.
BEIT_COLD inline Config read_hugging_face_features(const WeightScope& weights, const JsonField& root,
                                                   const JsonField& preprocessor) {
  if (const JsonField f = root["model_type"]; f.present()) {
    if (f.string() != "beit" && f.string() != "data2vec-vision") f.fail("\"beit\" or \"data2vec-vision\"");
  }
  Config config{infer_from_shapes(weights)};
  config.num_classes = 0;
  config.architecture = "beit";
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
  check_hugging_face(root, config);
  config.global_pool = config.use_fc_norm ? GlobalPool::avg : GlobalPool::token;
  if (const JsonField f = root["use_mean_pooling"]; f.present()) {
    // A trunk without a pooler can't contradict the JSON.
    if (config.use_fc_norm) require_agreement(f, f.boolean(), true, "pooler.layernorm");
    config.global_pool = f.boolean() ? GlobalPool::avg : GlobalPool::token;
  }
  config.layer_norm_eps = 1e-12f;
  if (const JsonField f = root["layer_norm_eps"]; f.present()) {
    config.layer_norm_eps = static_cast<float>(f.number());
  }
  if (preprocessor.present()) {
    config.preprocessing = read_preprocessor(preprocessor);
    return config;
  }
  config.preprocessing.input_size = config.preprocessing.resize_to = config.image_size;
  config.preprocessing.crop_mode = CropMode::squash;
  config.preprocessing.crop_pct = 1;
  return config;
}

/// Reads the fields of the classifier in transformers' config.json.
BEIT_COLD inline void read_hugging_face_classes(const WeightScope& weights, const JsonField& root, Config& config) {
  config.num_classes = rows_of(weights, "head.weight");
  config.labels = read_id2label(root["id2label"], config.num_classes);
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
