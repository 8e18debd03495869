// From a folder of Hugging Face's transformers to a Config: config.json and preprocessor_config.json.
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

/// The class names of config.json: {"0": "tench", ...}, one for each class, or none.
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

/// What every statement in transformers' config.json about the architecture must agree with.
BEIT_COLD inline void check_hugging_face(const JsonField& json, const Config& config) {
  const FieldsAgainstShapes fields{json};
  fields.integer("hidden_size", config.embed_dim, "patch_embeddings.projection.weight");
  fields.integer("num_channels", config.in_chans, "patch_embeddings.projection.weight");
  fields.integer("num_hidden_layers", config.depth, "encoder.layer");
  fields.integer("num_attention_heads", config.num_heads, "relative_position_bias_table");
  fields.integer("intermediate_size", config.mlp_hidden, "intermediate.dense.weight");
  if (config.vocab_size > 0) fields.integer("vocab_size", config.vocab_size, "lm_head.weight");
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

/// A number for both sides, or {"height": 224, "width": 224}.
BEIT_COLD inline Size read_size(const JsonField& field) {
  if (!field.value().is_object()) return field.size();
  const JsonField height = field["height"], width = field["width"];
  if (!height.present() || !width.present()) field.fail("a number, or height and width");
  return {height.integer(), width.integer()};
}

/// What BeitImageProcessor is made from; what is missing has the class's defaults.
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

}  // namespace detail

/// The configuration of a model of transformers (BeitForImageClassification, BeitModel and their Data2VecVision kin).
///
/// `weights` has timm's names (TimmNames). `json` is config.json and `preprocessor` preprocessor_config.json, either
/// null where there is none: then images are resized to the model's size, bicubic, and normalised by 0.5.
/// As in read_config, shapes decide and the JSON may not contradict them. Of a model with a head that isn't in this
/// library the trunk is described, if `features_only`.
/// ConfigError for a contradiction, for another kind of model, or what nothing tells.
BEIT_COLD inline Config read_hugging_face_config(const WeightScope& weights, const nlohmann::json& json,
                                                 const std::string& where, const nlohmann::json& preprocessor,
                                                 const std::string& preprocessor_where, bool features_only) {
  const detail::JsonField root(json, where);
  if (const detail::JsonField f = root["model_type"]; f.present()) {
    if (f.string() != "beit" && f.string() != "data2vec-vision") f.fail("\"beit\" or \"data2vec-vision\"");
  }
  if (const detail::JsonField f = root["architectures"]; f.present() && !features_only) {
    const auto* const classes = detail::array_in(f.value());
    if (classes == nullptr || classes->empty()) f.fail("a list of names of classes");
    const std::string name = f.at(classes->front()).string();
    if (!name.ends_with("ForImageClassification") && !name.ends_with("ForMaskedImageModeling") &&
        !name.ends_with("Model")) {
      throw ConfigError(detail::concat(
          {f.where(), ": found ", detail::printable(name, 60),
           ", whose head isn't in this library, wanted a classifier, a masked-image model or a bare one: "
           "the features of its trunk are read with LoadOptions::features_only"}));
    }
  }
  Config config = detail::infer_from_shapes(weights);
  config.architecture = "beit";
  if (features_only) config.num_classes = 0;
  config.use_final_norm = weights.has("norm.weight");
  if (config.num_heads == 0) {
    if (!root["num_attention_heads"].present()) {
      throw ConfigError(detail::concat(
          {where, ": found no num_attention_heads, wanted one, because the weights have no relative position bias"}));
    }
    config.num_heads = root["num_attention_heads"].integer();
  }
  if (const detail::JsonField f = root["image_size"]; f.present()) {
    config.image_size = f.size();
  } else if (config.image_size.area() == 0) {
    throw ConfigError(detail::concat(
        {where, ": found no image_size, wanted one, because the weights don't determine the grid of patches"}));
  }
  detail::check_hugging_face(root, config);
  if (const detail::JsonField f = root["use_mean_pooling"]; f.present()) {
    // A trunk without a pooler can't contradict it.
    if (config.use_fc_norm) detail::require_agreement(f, f.boolean(), true, "pooler.layernorm");
    config.global_pool = f.boolean() ? GlobalPool::avg : GlobalPool::token;
  }
  config.layer_norm_eps = 1e-12f;
  if (const detail::JsonField f = root["layer_norm_eps"]; f.present()) {
    config.layer_norm_eps = static_cast<float>(f.number());
  }
  if (preprocessor.is_null()) {
    config.preprocessing.input_size = config.preprocessing.resize_to = config.image_size;
    config.preprocessing.crop_mode = CropMode::squash;
    config.preprocessing.crop_pct = 1;
  } else {
    config.preprocessing = detail::read_preprocessor({preprocessor, preprocessor_where});
  }
  config.labels = detail::read_id2label(root["id2label"], config.num_classes);
  return config;
}

}  // namespace beit::inline BEIT_ABI
