// Reads the Config of a model from a weights file and timm's JSON.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/imagenet_labels.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/presets.hpp>
#include <beit/model/timm_arguments.hpp>
#include <beit/model/trunk_shapes.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

BEIT_COLD inline GlobalPool global_pool_from(const JsonField& field) {
  const std::string& name = field.string();
  if (name == "avg") return GlobalPool::avg;
  if (name == "token") return GlobalPool::token;
  field.fail("\"avg\" or \"token\"");
}

/// Reads the names of the classes: their descriptions if there are some, else their names.
BEIT_COLD inline std::vector<std::string> read_timm_labels(const JsonField& json, Index classes) {
  JsonField names = json["label_names"];
  JsonField descriptions = json["label_descriptions"];
  if (!names.present()) names = json["pretrained_cfg"]["label_names"];
  if (!names.present()) names = json["labels"];  // timm's older name
  if (!descriptions.present()) descriptions = json["pretrained_cfg"]["label_descriptions"];
  if (!names.present() || names.value().empty()) return {};
  std::vector<std::string> labels(static_cast<std::size_t>(classes));
  const auto set = [&](std::size_t index, const nlohmann::json& value) {
    const std::string name = names.at(value).text();
    const JsonField description = descriptions[name];
    labels[index] = description.present() ? description.text() : name;
  };
  if (const auto* const list = array_in(names.value())) {
    if (list->size() != labels.size()) {
      throw ConfigError(concat({names.where(), ": found ", list->size(), " names, wanted ", classes}));
    }
    for (std::size_t i = 0; i < labels.size(); ++i) set(i, (*list)[i]);
  } else if (const auto* const by_index = object_in(names.value())) {  // index -> name, possibly with gaps
    for (const auto& [key, value] : *by_index) {
      const bool digits = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
      if (!digits || std::stoul(key) >= labels.size() || std::to_string(std::stoul(key)) != key) {
        throw ConfigError(
            concat({names.where(), ": found index \"", printable(key, 60), "\", wanted one of ", classes, " from 0"}));
      }
      set(std::stoul(key), value);
    }
  } else {
    names.fail("a list of names or an object from index to name");
  }
  return labels;
}

/// Whether timm's config.json says that the model was trained on ImageNet-1k last, in a tag such as
/// "in22k_ft_in22k_in1k".
BEIT_COLD inline bool is_trained_on_imagenet_1k(const JsonField& json) {
  std::string tag = "_";
  const JsonField cfg = json["pretrained_cfg"];
  for (const JsonField& field : {json["architecture"], json["tag"], cfg["architecture"], cfg["tag"]}) {
    if (field.present()) tag.append(field.string()).append("_");
  }
  for (char& c : tag) c = c == '.' ? '_' : c;
  return tag.find("_in1k_") != std::string::npos;
}

/// Reads the function for scores of `classes` logits, as transformers' pipeline for image classification chooses it.
BEIT_COLD inline ScoreFunction read_score_function(const JsonField& problem_type, Index classes) {
  const std::string_view type =
      problem_type.present() ? std::string_view(problem_type.string()) : "single_label_classification";
  if (type == "regression") return ScoreFunction::identity;
  if (type == "multi_label_classification") return ScoreFunction::sigmoid;
  if (type == "single_label_classification") return classes == 1 ? ScoreFunction::sigmoid : ScoreFunction::softmax;
  problem_type.fail("\"regression\", \"single_label_classification\" or \"multi_label_classification\"");
}

/// Checks timm's model_args of the trunk. ConfigError if they contradict the shapes.
BEIT_COLD inline void check_against_shapes(const JsonField& args, const WeightScope& weights,
                                           const TrunkConfig& config) {
  const FieldsAgainstShapes fields{args, weights};
  fields.integer("embed_dim", config.embed_dim, "patch_embed.proj.weight");
  fields.integer("in_chans", config.in_chans, "patch_embed.proj.weight");
  fields.size("patch_size", config.patch_size, "patch_embed.proj.weight");
  fields.integer("depth", config.depth, last_block(config));
  fields.integer("num_heads", config.num_heads, heads_of(config));
  fields.boolean("qkv_bias", config.qkv_bias != QkvBias::none,
                 config.qkv_bias == QkvBias::all ? "blocks.0.attn.qkv.bias" : "blocks.0.attn.q_bias");
  fields.boolean("scale_attn_norm", config.scale_attn_norm, "blocks.0.attn.norm.weight");
  for (const char* key : {"scale_mlp_norm", "scale_mlp"}) {
    fields.boolean(key, config.scale_mlp_norm, "blocks.0.mlp.norm.weight");
  }
  fields.boolean("use_abs_pos_emb", config.use_abs_pos_emb, "pos_embed");
  fields.boolean("use_rel_pos_bias", config.use_rel_pos_bias, "blocks.0.attn.relative_position_bias_table");
  fields.boolean("use_shared_rel_pos_bias", config.use_shared_rel_pos_bias,
                 "rel_pos_bias.relative_position_bias_table");
  for (const char* key : {"use_fc_norm", "fc_norm"}) fields.boolean(key, config.use_fc_norm, "fc_norm.weight");
  if (const JsonField field = args["init_values"]; field.present()) {
    require_agreement(field, field.number() != 0, config.layer_scale, weights, "blocks.0.gamma_1");
  }
  if (const JsonField field = args["mlp_ratio"]; field.present()) {
    const double hidden = static_cast<double>(config.embed_dim) * field.number();
    if (!(hidden >= 0 && hidden < 1e9)) field.fail("a ratio such as 4");
    if (static_cast<Index>(hidden) != config.mlp_hidden) {
      field.fail(concat({std::to_string(static_cast<double>(config.mlp_hidden) / static_cast<double>(config.embed_dim)),
                         " as the weights have it (", weights.where("blocks.0.mlp.fc1.weight"), ")"}));
    }
  }
}

/// Reads [channels, height, width]; the channels must be those of the weights, unless they are given elsewhere, too.
BEIT_COLD inline Size read_input_size(const JsonField& field, Index channels, bool also_elsewhere = false) {
  const auto* const array = array_in(field.value());
  if (array == nullptr || array->size() != 3) field.fail("[channels, height, width]");
  const auto at = [&](std::size_t i) { return field.at((*array)[i]).integer(); };
  if (at(0) != channels && !also_elsewhere) field.fail(concat({channels, " channels"}));
  if (at(1) < 1 || at(2) < 1) field.fail("[channels, height, width], all at least 1");
  return {at(1), at(2)};
}

/// Reads the value that the field `key` of an object names, if there is one.
template <typename Enum>
BEIT_COLD void read_named(const JsonField& object, const char* key, Enum (*from_name)(std::string_view), Enum& value) {
  const JsonField field = object[key];
  if (!field.present()) return;
  try {
    value = from_name(printable(field.string(), 60));
  } catch (const ArgumentError& error) {
    throw ConfigError(concat({object.where(), ": ", error.what()}));
  }
}

/// Reads pass_order from an object of this library. It isn't among the fields of timm's pretrained_cfg, which timm
/// fixes.
BEIT_COLD inline void read_pass_order(const JsonField& object, Preprocessing& preprocessing) {
  read_named(object, "pass_order", pass_order_from_name, preprocessing.pass_order);
}

/// Reads what `cfg` says of the preprocessing, but for the size, which is known, of images with so many channels.
BEIT_COLD inline void read_preprocessing(const JsonField& cfg, Index channels, Preprocessing& preprocessing) {
  read_named(cfg, "interpolation", interpolation_from_name, preprocessing.interpolation);
  read_named(cfg, "crop_mode", crop_mode_from_name, preprocessing.crop_mode);
  if (const JsonField f = cfg["crop_pct"]; f.present()) {
    preprocessing.crop_pct = f.number();
    if (const std::string_view wanted = crop_fault(preprocessing); !wanted.empty()) f.fail(wanted);
  }
  if (const JsonField f = cfg["mean"]; f.present()) preprocessing.mean = f.numbers(channels);
  if (const JsonField f = cfg["std"]; f.present()) preprocessing.std = f.divisors(channels);
  if (preprocessing.mean.size() != preprocessing.std.size()) {
    const bool std = cfg["std"].present();  // else it is the mean that differs from the default
    cfg[std ? "std" : "mean"].fail(concat({(std ? preprocessing.mean : preprocessing.std).size(),
                                           " numbers, as many as the ", std ? "mean" : "std", " has"}));
  }
  read_pass_order(cfg, preprocessing);
}

/// The preprocessing of a pretrained_cfg without any fields. Source: timm/data/config.py, resolve_data_config.
BEIT_COLD inline Preprocessing timm_preprocessing() {
  Preprocessing result;
  result.crop_pct = 0.875;
  result.mean = {0.485f, 0.456f, 0.406f};
  result.std = {0.229f, 0.224f, 0.225f};
  return result;
}

/// Reads the configuration of a model of timm's, without the fields of its classifier.
BEIT_COLD inline Config read_timm_features(const WeightScope& weights, const JsonField& root) {
  const JsonField args = root["model_args"];
  // timm's older files have the fields of pretrained_cfg at the top level.
  const JsonField cfg = root["pretrained_cfg"].present() ? root["pretrained_cfg"] : root;
  check_timm_arguments(args);
  Config config{infer_from_shapes(weights)};
  config.num_classes = 0;

  if (const JsonField field = root["architecture"]; field.present()) {
    config.architecture = field.string();
    const auto is = [&](const char* prefix) { return config.architecture.starts_with(prefix); };
    if (!is("beit_") && !is("beitv2_") && !is("beit3_")) {
      field.fail("a BEiT: a name that starts with beit_, beitv2_ or beit3_");
    }
  }
  if (config.architecture.starts_with("beit3_")) config.layer_norm_eps = beit3_eps;
  const Preset* const known = find_preset(config.architecture);
  const bool same_width = known != nullptr && known->embed_dim == config.embed_dim;
  if (config.num_heads == 0) {
    if (args["num_heads"].present()) {
      config.num_heads = args["num_heads"].integer();
    } else if (same_width) {
      config.num_heads = known->num_heads;
    } else {
      throw ConfigError(concat(
          {root.where(),
           ": found no number of heads, wanted model_args.num_heads, because the weights have no relative position "
           "bias"}));
    }
  }
  // timm's older files repeat the input_size of the model that theirs was made from.
  const JsonField img_size = args["img_size"], input_size = cfg["input_size"];
  const Size input =
      input_size.present() ? read_input_size(input_size, config.in_chans, args["in_chans"].present()) : Size{};
  if (img_size.present()) {
    config.image_size = img_size.size();
    const JsonField fixed = cfg["fixed_input_size"];
    if (input != Size{} && input != config.image_size && !(fixed.present() && fixed.boolean())) {
      input_size.fail(concat({size_text(config.image_size), ", the model's img_size"}));
    }
  } else if (input_size.present()) {
    config.image_size = input;
  } else if (config.image_size.area() == 0 && same_width) {
    config.image_size = {known->image_size, known->image_size};
  } else if (config.image_size.area() == 0) {
    throw ConfigError(
        concat({root.where(),
                ": found no image size, wanted model_args.img_size, because the weights don't determine the "
                "grid of patches"}));
  }
  check_against_shapes(args, weights, config);

  config.global_pool = config.use_fc_norm ? GlobalPool::avg : GlobalPool::token;
  if (const JsonField field = args["global_pool"]; field.present()) config.global_pool = global_pool_from(field);
  if (const JsonField field = root["global_pool"]; field.present()) {
    const GlobalPool said = global_pool_from(field);
    if (args["global_pool"].present() && said != config.global_pool) field.fail("the same as model_args.global_pool");
    config.global_pool = said;
  }
  if (root.present()) config.preprocessing = timm_preprocessing();
  config.preprocessing.input_size = config.image_size;
  read_preprocessing(cfg, config.in_chans, config.preprocessing);
  read_pass_order(root, config.preprocessing);
  return config;
}

/// Whether transformers saved the trunk alone: its TimmWrapperModel has the configuration of a classifier.
BEIT_COLD inline bool is_bare_wrapper(const JsonField& architectures) {
  const auto* const names = array_in(architectures.value());
  return names != nullptr && std::find(names->begin(), names->end(), "TimmWrapperModel") != names->end();
}

/// Reads the fields of the classifier in timm's config.json.
BEIT_COLD inline void read_timm_classes(const WeightScope& weights, const JsonField& root, Config& config) {
  config.num_classes = rows_of(weights, "head.weight");
  if (config.num_classes == 0 && is_bare_wrapper(root["architectures"])) return;
  for (const JsonField& json : {root, root["model_args"]}) {
    FieldsAgainstShapes{json, weights}.integer("num_classes", config.num_classes, "head.weight");
  }
  config.labels = read_timm_labels(root, config.num_classes);
  if (config.labels.empty() && config.num_classes == 1000 && is_trained_on_imagenet_1k(root)) {
    config.labels = imagenet_labels();
  }
  config.score_function = read_score_function(root["problem_type"], config.num_classes);
}

}  // namespace detail

/// Returns the configuration of the model in `weights`.
///
/// `json` is timm's config.json (or a converted file's `beit.config`, which has the same fields), or null for a bare
/// file; messages call it `where`. The shapes of the weights decide whatever they can; the JSON may repeat but not
/// contradict them. A preset supplies the heads and the image size that neither states; for preprocessing, timm's
/// defaults do. It reads the fields architecture, num_classes, global_pool, problem_type, label_names,
/// label_descriptions, model_args, and pretrained_cfg's input_size, interpolation, crop_pct, crop_mode, mean and std.
/// ConfigError for a contradiction, a value of the wrong kind, or a number of heads or an image size that nothing
/// determines; WeightError if a parameter that determines the architecture is missing.
[[nodiscard]] BEIT_COLD inline Config read_config(const WeightScope& weights, const nlohmann::json& json,
                                                  const std::string& where) {
  const detail::JsonField root(json, where);
  Config config = detail::read_timm_features(weights, root);
  detail::read_timm_classes(weights, root, config);
  return config;
}

}  // namespace beit::inline BEIT_ABI
