// Turns a Config into the JSON that the library reads: timm's configuration, or transformers'.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/pass_order.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config.hpp>
#include <beit/model/image_processor.hpp>
#include <beit/model/model_files.hpp>
#include <beit/model/presets.hpp>
#include <beit/nn/qkv_bias.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The double with the fewest digits that rounds to this float: 0.485, not 0.4850000143051147.
inline double shortest_double(float x) {
  using Json = nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t, std::uint64_t, float>;
  return nlohmann::json::parse(Json(x).dump()).get<double>();
}

/// Writes a size as one number if it is a square, else as [height, width].
inline nlohmann::ordered_json size_json(Size size) {
  using Json = nlohmann::ordered_json;
  return size.height == size.width ? Json(size.height) : Json{size.height, size.width};
}

inline nlohmann::ordered_json numbers_json(const std::vector<float>& numbers) {
  nlohmann::ordered_json result = nlohmann::ordered_json::array();
  for (const float x : numbers) result.push_back(shortest_double(x));
  return result;
}

/// Throws ArgumentError for what a configuration can't describe.
[[noreturn]] BEIT_COLD inline void refuse_to_write(std::string_view found, std::string_view wanted) {
  throw ArgumentError(concat({"config_json: found ", found, ", wanted ", wanted}));
}

/// Whether timm's class of this model is VisionTransformer, with BEiT-3's norms, instead of Beit.
inline bool is_vision_transformer(const TrunkConfig& config) {
  return config.scale_attn_norm || config.architecture.starts_with("beit3_");
}

/// Whether the preprocessing is that of an image processor, which timm's configuration can't describe.
inline bool is_image_processors(const Preprocessing& preprocessing) { return preprocessing.resize_to != Size{}; }

/// Writes a preprocessing as timm's pretrained_cfg has it.
inline nlohmann::ordered_json timm_preprocessing_json(const Preprocessing& preprocessing, Index channels) {
  if (preprocessing.rescale_factor != Preprocessing{}.rescale_factor) {
    refuse_to_write(
        concat({"a rescale_factor of ", std::to_string(preprocessing.rescale_factor), " without resize_to"}),
        "1/255, as timm's crop modes have it");
  }
  return {{"input_size", {channels, preprocessing.input_size.height, preprocessing.input_size.width}},
          {"interpolation", interpolation_name(preprocessing.interpolation)},
          {"crop_pct", preprocessing.crop_pct},
          {"crop_mode", crop_mode_name(preprocessing.crop_mode)},
          {"mean", numbers_json(preprocessing.mean)},
          {"std", numbers_json(preprocessing.std)}};
}

/// Writes a preprocessing as the arguments of transformers' image processor.
inline nlohmann::ordered_json image_processor_json(const Preprocessing& preprocessing) {
  using Json = nlohmann::ordered_json;
  const auto size = [](Size s) { return Json{{"height", s.height}, {"width", s.width}}; };
  const Size to = preprocessing.resize_to;
  const auto* const filter =
      std::find(std::begin(pillow_filters), std::end(pillow_filters), preprocessing.interpolation);
  return {{"image_processor_type", "BeitImageProcessor"},
          {"do_resize", true},
          {"size", to.width == 0 ? Json{{"shortest_edge", to.height}} : size(to)},
          {"resample", filter - std::begin(pillow_filters)},
          {"do_center_crop", to != preprocessing.input_size},
          {"crop_size", size(preprocessing.input_size)},
          {"do_rescale", true},
          {"rescale_factor", preprocessing.rescale_factor},
          {"do_normalize", true},
          {"image_mean", numbers_json(preprocessing.mean)},
          {"image_std", numbers_json(preprocessing.std)}};
}

/// Writes transformers' config.json. A licence, which it has no key for, stands beside the rest.
inline nlohmann::ordered_json transformers_config_json(const Config& config, const std::string& license) {
  using Json = nlohmann::ordered_json;
  const bool mean = config.global_pool == GlobalPool::avg;
  if (!mean && (config.use_fc_norm || !config.use_final_norm)) {
    refuse_to_write(concat({"the class token of a model of transformers ",
                            config.use_fc_norm ? "with fc_norm" : "without a last norm"}),
                    "GlobalPool::avg, or a model with a last norm alone");
  }
  Json json = {{"model_type", config.architecture},
               {"hidden_size", config.embed_dim},
               {"num_hidden_layers", config.depth},
               {"num_attention_heads", config.num_heads},
               {"intermediate_size", config.mlp_hidden},
               {"hidden_act", "gelu"},
               {"layer_norm_eps", shortest_double(config.layer_norm_eps)},
               {"image_size", size_json(config.image_size)},
               {"patch_size", size_json(config.patch_size)},
               {"num_channels", config.in_chans},
               {"use_absolute_position_embeddings", config.use_abs_pos_emb},
               {"use_relative_position_bias", config.use_rel_pos_bias},
               {"use_shared_relative_position_bias", config.use_shared_rel_pos_bias},
               {"layer_scale_init_value", config.layer_scale ? 0.1 : 0.0},
               {"use_mean_pooling", mean},
               {"license", license}};
  for (std::size_t i = 0; i < config.labels.size(); ++i) json["id2label"][std::to_string(i)] = config.labels[i];
  return json;
}

/// Writes timm's config.json.
inline nlohmann::ordered_json timm_config_json(const Config& config, const std::string& license) {
  using Json = nlohmann::ordered_json;
  const bool beit3 = is_vision_transformer(config);
  if (config.layer_norm_eps != (beit3 ? beit3_eps : Config{}.layer_norm_eps)) {
    refuse_to_write(concat({"layer_norm_eps ", json_text(shortest_double(config.layer_norm_eps))}),
                    beit3 ? "1e-5, as timm's BEiT-3 has it" : "1e-6, as timm's Beit has it");
  }
  if (!config.use_fc_norm && !config.use_final_norm) {
    refuse_to_write("a trunk without a last norm", "fc_norm or a last norm, one of which timm's models have");
  }
  const char* const pool = config.global_pool == GlobalPool::avg ? "avg" : "token";
  // timm computes int(C * ratio): adds half a channel if the quotient falls short.
  const double dim = static_cast<double>(config.embed_dim), hidden = static_cast<double>(config.mlp_hidden);
  const double ratio =
      static_cast<Index>(dim * (hidden / dim)) == config.mlp_hidden ? hidden / dim : (hidden + 0.5) / dim;
  Json args = {{"img_size", size_json(config.image_size)},
               {"patch_size", size_json(config.patch_size)},
               {"in_chans", config.in_chans},
               {"num_classes", config.num_classes},
               {"global_pool", pool},
               {"embed_dim", config.embed_dim},
               {"depth", config.depth},
               {"num_heads", config.num_heads},
               {"qkv_bias", config.qkv_bias != QkvBias::none},
               {"mlp_ratio", ratio}};
  // The initial value in training; the weights have the real ones.
  if (config.layer_scale || !beit3) args["init_values"] = config.layer_scale ? 0.1 : 0.0;
  if (beit3) {  // timm's VisionTransformer gets the rest from the architecture
    if (!config.scale_attn_norm) args["scale_attn_norm"] = false;
    if (!config.scale_mlp_norm) args["scale_mlp_norm"] = false;
    if (config.use_fc_norm != (config.global_pool == GlobalPool::avg)) args["fc_norm"] = config.use_fc_norm;
  } else {
    args["use_abs_pos_emb"] = config.use_abs_pos_emb;
    args["use_rel_pos_bias"] = config.use_rel_pos_bias;
    args["use_shared_rel_pos_bias"] = config.use_shared_rel_pos_bias;
    args["use_fc_norm"] = config.use_fc_norm;
    if (config.scale_mlp_norm) args["scale_mlp"] = true;
  }
  Json cfg = {{"input_size", {config.in_chans, config.image_size.height, config.image_size.width}}};
  if (!is_image_processors(config.preprocessing)) cfg = timm_preprocessing_json(config.preprocessing, config.in_chans);
  cfg["license"] = license;
  const std::string fallback = beit3 ? "beit3_base_patch16_224" : "beit_base_patch16_224";
  return {{"architecture", config.architecture.empty() ? fallback : config.architecture},
          {"num_classes", config.num_classes},
          {"num_features", config.embed_dim},
          {"global_pool", pool},
          {"model_args", args},
          {"label_names", config.labels},
          {"pass_order", pass_order_name(config.preprocessing.pass_order)},
          {"pretrained_cfg", cfg}};
}

}  // namespace detail

/// Returns the `beit.config` of a converted file, which the library turns into the same Config, but for a preprocessing
/// that stands beside it (converted_metadata). `license` is that of the weights.
///
/// A model that was configured for transformers, whose architecture is "beit", gets transformers' config.json. Any
/// other gets timm's: timm.create_model(architecture, **model_args) makes the same model. One without a name is called
/// beit_base_patch16_224 or beit3_base_patch16_224: model_args state all differences. ArgumentError for what the form
/// can't describe: in timm's, another layer_norm_eps than timm's, or a trunk without a last norm.
inline nlohmann::ordered_json config_json(const Config& config, const std::string& license = "unknown") {
  const bool transformers = config.architecture == detail::transformers_architecture;
  nlohmann::ordered_json json =
      transformers ? detail::transformers_config_json(config, license) : detail::timm_config_json(config, license);
  if (config.score_function != ScoreFunction::softmax) {  // transformers' key
    json["problem_type"] =
        config.score_function == ScoreFunction::identity ? "regression" : "multi_label_classification";
  }
  return json;
}

/// Returns the metadata of a converted file, by their keys: beit.config, which is config_json, and beit.preprocessor if
/// that doesn't describe the preprocessing: in the form of transformers' image processors if it has a resize_to, else
/// in that of timm's pretrained_cfg, with pass_order. Throws as config_json does.
inline std::map<std::string, std::string> converted_metadata(const Config& config,
                                                             const std::string& license = "unknown") {
  std::map<std::string, std::string> result{{detail::own_config, config_json(config, license).dump()}};
  const Preprocessing& preprocessing = config.preprocessing;
  const bool processor = detail::is_image_processors(preprocessing);
  if (!processor && config.architecture != detail::transformers_architecture) return result;
  nlohmann::ordered_json json = processor ? detail::image_processor_json(preprocessing)
                                          : detail::timm_preprocessing_json(preprocessing, config.in_chans);
  json["pass_order"] = pass_order_name(preprocessing.pass_order);
  result[detail::own_preprocessor] = json.dump();
  return result;
}

}  // namespace beit::inline BEIT_ABI
