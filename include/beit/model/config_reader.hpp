// Reads the Config of a model from a weights file and timm's JSON.
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
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/model/config.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/presets.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Throws ConfigError if `field` exists and contradicts the shapes.
template <typename Value>
void require_agreement(const JsonField& field, Value said, Value shapes, const char* tensor) {
  if (said == shapes) return;
  field.fail(concat({json_text(shapes), " as the weights have it (", tensor, ")"}));
}

/// The shape of a parameter that must have `rank` dimensions.
BEIT_COLD inline std::vector<Index> shape_of_rank(const WeightScope& weights, const char* name, std::size_t rank) {
  std::vector<Index> shape = weights.shape(name);
  if (shape.size() != rank) {
    throw WeightError(
        concat({weights.path(name), ": found shape ", shape_text(shape), ", wanted ", rank, " dimensions"}));
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
  if (config.depth == 0) throw WeightError(concat({weights.path("blocks.0.norm1.weight"), ": tensor is missing"}));
  config.mlp_hidden = shape_of_rank(weights, "blocks.0.mlp.fc1.weight", 2)[0];
  config.qkv_bias = weights.has("blocks.0.attn.qkv.bias") ? QkvBias::all
                    : weights.has("blocks.0.attn.q_bias") ? QkvBias::query_value
                                                          : QkvBias::none;
  config.scale_attn_norm = weights.has("blocks.0.attn.norm.weight");
  config.scale_mlp_norm = weights.has("blocks.0.mlp.norm.weight");
  if (config.scale_attn_norm || config.scale_mlp_norm) config.layer_norm_eps = beit3_eps;
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

BEIT_COLD inline GlobalPool global_pool_from(const JsonField& field) {
  const std::string& name = field.string();
  if (name == "avg") return GlobalPool::avg;
  if (name == "token") return GlobalPool::token;
  field.fail("\"avg\" or \"token\"");
}

/// Reads the names of the classes: their descriptions if there are some, else their names.
BEIT_COLD inline std::vector<std::string> read_labels(const JsonField& json, Index classes) {
  JsonField names = json["label_names"];
  JsonField descriptions = json["label_descriptions"];
  if (!names.present()) names = json["pretrained_cfg"]["label_names"];
  if (!names.present()) names = json["labels"];  // timm's older name
  if (!descriptions.present()) descriptions = json["pretrained_cfg"]["label_descriptions"];
  if (!names.present() || names.value().empty()) return {};
  std::vector<std::string> labels(static_cast<std::size_t>(classes));
  const auto set = [&](std::size_t index, const nlohmann::json& value) {
    const std::string name = names.at(value).string();
    const JsonField description = descriptions[name];
    labels[index] = description.present() ? description.string() : name;
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

/// Fields of an object, each of which must agree with the shapes or be missing.
struct FieldsAgainstShapes {
  JsonField object;

  BEIT_COLD void integer(const char* key, Index shapes, const char* tensor) const {
    if (const JsonField f = object[key]; f.present()) require_agreement(f, f.integer(), shapes, tensor);
  }
  BEIT_COLD void boolean(const char* key, bool shapes, const char* tensor) const {
    if (const JsonField f = object[key]; f.present()) require_agreement(f, f.boolean(), shapes, tensor);
  }
};

/// Checks timm's model_args of the trunk. ConfigError if they contradict the shapes.
BEIT_COLD inline void check_against_shapes(const JsonField& args, const TrunkConfig& config) {
  const FieldsAgainstShapes fields{args};
  fields.integer("embed_dim", config.embed_dim, "patch_embed.proj.weight");
  fields.integer("in_chans", config.in_chans, "patch_embed.proj.weight");
  fields.integer("depth", config.depth, "blocks");
  fields.integer("num_heads", config.num_heads, "relative_position_bias_table");
  fields.boolean("qkv_bias", config.qkv_bias != QkvBias::none, "attn.q_bias or attn.qkv.bias");
  fields.boolean("scale_attn_norm", config.scale_attn_norm, "attn.norm");
  fields.boolean("scale_mlp_norm", config.scale_mlp_norm, "mlp.norm");
  fields.boolean("use_abs_pos_emb", config.use_abs_pos_emb, "pos_embed");
  fields.boolean("use_rel_pos_bias", config.use_rel_pos_bias, "attn.relative_position_bias_table");
  fields.boolean("use_shared_rel_pos_bias", config.use_shared_rel_pos_bias, "rel_pos_bias");
  fields.boolean("use_fc_norm", config.use_fc_norm, "fc_norm.weight");
  fields.boolean("swiglu_mlp", false, "mlp.fc1");
  fields.boolean("scale_mlp", false, "mlp.fc1");
  if (const JsonField field = args["init_values"]; field.present()) {
    require_agreement(field, field.number() != 0, config.layer_scale, "gamma_1");
  }
  if (const JsonField field = args["mlp_ratio"]; field.present()) {
    const double hidden = static_cast<double>(config.embed_dim) * field.number();
    if (!(hidden >= 0 && hidden < 1e9)) field.fail("a ratio such as 4");
    require_agreement(field, static_cast<Index>(hidden) == config.mlp_hidden, true, "mlp.fc1.weight");
  }
  if (const JsonField field = args["patch_size"]; field.present() && field.size() != config.patch_size) {
    field.fail(concat({size_text(config.patch_size), " as the weights have it (patch_embed.proj.weight)"}));
  }
}

/// Reads [channels, height, width]; the channels must be those of the weights.
BEIT_COLD inline Size read_input_size(const JsonField& field, Index channels) {
  const auto* const array = array_in(field.value());
  if (array == nullptr || array->size() != 3) field.fail("[channels, height, width]");
  const auto at = [&](std::size_t i) { return field.at((*array)[i]).integer(); };
  if (at(0) != channels) field.fail(concat({channels, " channels (patch_embed.proj.weight)"}));
  return {at(1), at(2)};
}

BEIT_COLD inline void read_preprocessing(const JsonField& cfg, Index channels, Preprocessing& preprocessing) {
  if (const JsonField f = cfg["input_size"]; f.present()) preprocessing.input_size = read_input_size(f, channels);
  const auto named = [&](const JsonField& f, auto from_name) {
    try {
      return from_name(printable(f.string(), 60));
    } catch (const ArgumentError& error) {
      throw ConfigError(concat({cfg.where(), ": ", error.what()}));
    }
  };
  if (const JsonField f = cfg["interpolation"]; f.present()) {
    preprocessing.interpolation = named(f, interpolation_from_name);
  }
  if (const JsonField f = cfg["crop_mode"]; f.present()) preprocessing.crop_mode = named(f, crop_mode_from_name);
  if (const JsonField f = cfg["crop_pct"]; f.present()) preprocessing.crop_pct = f.number();
  if (const JsonField f = cfg["mean"]; f.present()) preprocessing.mean = f.three_numbers();
  if (const JsonField f = cfg["std"]; f.present()) preprocessing.std = f.three_numbers();
}

/// Reads the configuration of a model of timm's, without the fields of its classifier.
BEIT_COLD inline Config read_timm_features(const WeightScope& weights, const JsonField& root) {
  const JsonField args = root["model_args"];
  // timm's older files have the fields of pretrained_cfg at the top level.
  const JsonField cfg = root["pretrained_cfg"].present() ? root["pretrained_cfg"] : root;
  Config config{infer_from_shapes(weights)};
  config.num_classes = 0;

  if (const JsonField field = root["architecture"]; field.present()) {
    config.architecture = field.string();
    const auto is = [&](const char* prefix) { return config.architecture.starts_with(prefix); };
    if (!is("beit_") && !is("beitv2_") && !is("beit3_")) {
      field.fail("a BEiT: a name that starts with beit_, beitv2_ or beit3_");
    }
  }
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
  if (const JsonField field = args["img_size"]; field.present()) {
    config.image_size = field.size();
  } else if (cfg["input_size"].present()) {
    config.image_size = read_input_size(cfg["input_size"], config.in_chans);
  } else if (config.image_size.area() == 0 && same_width) {
    config.image_size = {known->image_size, known->image_size};
  } else if (config.image_size.area() == 0) {
    throw ConfigError(
        concat({root.where(),
                ": found no image size, wanted model_args.img_size, because the weights don't determine the "
                "grid of patches"}));
  }
  check_against_shapes(args, config);

  config.global_pool = config.use_fc_norm ? GlobalPool::avg : GlobalPool::token;
  if (const JsonField field = args["global_pool"]; field.present()) config.global_pool = global_pool_from(field);
  if (const JsonField field = root["global_pool"]; field.present()) {
    const GlobalPool said = global_pool_from(field);
    if (args["global_pool"].present() && said != config.global_pool) field.fail("the same as model_args.global_pool");
    config.global_pool = said;
  }
  if (known != nullptr) config.preprocessing = known->preprocessing();
  config.preprocessing.input_size = config.image_size;
  read_preprocessing(cfg, config.in_chans, config.preprocessing);
  return config;
}

/// Reads the fields of the classifier in timm's config.json.
BEIT_COLD inline void read_timm_classes(const WeightScope& weights, const JsonField& root, Config& config) {
  config.num_classes = rows_of(weights, "head.weight");
  for (const JsonField& json : {root, root["model_args"]}) {
    FieldsAgainstShapes{json}.integer("num_classes", config.num_classes, "head.weight");
  }
  config.labels = read_labels(root, config.num_classes);
}

}  // namespace detail

/// Returns the configuration of the model in `weights`.
///
/// `json` is timm's config.json (or a converted file's `beit.config`, which has the same fields), or null for a bare
/// file; messages call it `where`. The shapes of the weights decide whatever they can; the JSON may repeat but not
/// contradict them. A preset supplies what neither states. It reads the fields architecture, num_classes, global_pool,
/// label_names, label_descriptions, model_args, and pretrained_cfg's input_size, interpolation, crop_pct, crop_mode,
/// mean and std. ConfigError for a contradiction, a value of the wrong kind, or a number of heads or an image size that
/// nothing determines; WeightError if a parameter that determines the architecture is missing.
[[nodiscard]] BEIT_COLD inline Config read_config(const WeightScope& weights, const nlohmann::json& json,
                                                  const std::string& where) {
  const detail::JsonField root(json, where);
  Config config = detail::read_timm_features(weights, root);
  detail::read_timm_classes(weights, root, config);
  return config;
}

}  // namespace beit::inline BEIT_ABI
