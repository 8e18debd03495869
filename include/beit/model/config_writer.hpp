// Turns a Config into the JSON that read_config reads and timm's create_model takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config.hpp>
#include <beit/model/presets.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The double with the fewest digits that rounds to this float: 0.485, not 0.4850000143051147.
inline double shortest_double(float x) {
  using Json = nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t, std::uint64_t, float>;
  return nlohmann::json::parse(Json(x).dump()).get<double>();
}

}  // namespace detail

/// Returns the `beit.config` of a converted file, with the keys of timm's config.json: read_config turns it into the
/// same Config, and timm.create_model(architecture, **model_args) makes the same model. `license` is that of the
/// weights. ArgumentError for a layer_norm_eps other than timm's, and for the preprocessing of transformers. A model
/// without a name is called beit_base_patch16_224 or beit3_base_patch16_224: model_args state all differences.
inline nlohmann::ordered_json config_json(const Config& config, const std::string& license = "unknown") {
  using Json = nlohmann::ordered_json;
  const bool beit3 = config.scale_attn_norm || config.architecture.starts_with("beit3_");
  const float eps = beit3 ? detail::beit3_eps : Config{}.layer_norm_eps;
  if (config.layer_norm_eps != eps || config.preprocessing.resize_to != Size{}) {
    throw ArgumentError(detail::concat(
        {"config_json: found ", config.layer_norm_eps != eps ? "the layer_norm_eps" : "the preprocessing",
         " of a model of transformers, which timm's configuration can't describe; wanted a model of "
         "timm's and its preprocessing"}));
  }
  const auto size = [](Size s) { return s.height == s.width ? Json(s.height) : Json{s.height, s.width}; };
  const char* const pool = config.global_pool == GlobalPool::avg ? "avg" : "token";
  // timm computes int(C * ratio): adds half a channel if the quotient falls short.
  const double dim = static_cast<double>(config.embed_dim), hidden = static_cast<double>(config.mlp_hidden);
  const double ratio =
      static_cast<Index>(dim * (hidden / dim)) == config.mlp_hidden ? hidden / dim : (hidden + 0.5) / dim;
  Json mean = Json::array(), std = Json::array();
  for (const float x : config.preprocessing.mean) mean.push_back(detail::shortest_double(x));
  for (const float x : config.preprocessing.std) std.push_back(detail::shortest_double(x));
  Json args = {{"img_size", size(config.image_size)},
               {"patch_size", size(config.patch_size)},
               {"in_chans", config.in_chans},
               {"num_classes", config.num_classes},
               {"global_pool", pool},
               {"embed_dim", config.embed_dim},
               {"depth", config.depth},
               {"num_heads", config.num_heads},
               {"qkv_bias", config.qkv_bias != QkvBias::none},
               {"mlp_ratio", ratio}};
  if (!beit3) {  // timm's VisionTransformer gets the rest from the architecture
    args["init_values"] =
        config.layer_scale ? 0.1 : 0.0;  // the initial value in training; the weights have the real ones
    args["use_abs_pos_emb"] = config.use_abs_pos_emb;
    args["use_rel_pos_bias"] = config.use_rel_pos_bias;
    args["use_shared_rel_pos_bias"] = config.use_shared_rel_pos_bias;
    args["use_fc_norm"] = config.use_fc_norm;
    if (config.scale_mlp_norm) args["scale_mlp"] = true;
  }
  const std::string fallback = beit3 ? "beit3_base_patch16_224" : "beit_base_patch16_224";
  Json json = {{"architecture", config.architecture.empty() ? fallback : config.architecture},
               {"num_classes", config.num_classes},
               {"num_features", config.embed_dim},
               {"global_pool", pool},
               {"model_args", args},
               {"label_names", config.labels},
               {"pass_order", pass_order_name(config.preprocessing.pass_order)},
               {"pretrained_cfg",
                {{"input_size", {config.in_chans, config.image_size.height, config.image_size.width}},
                 {"interpolation", interpolation_name(config.preprocessing.interpolation)},
                 {"crop_pct", config.preprocessing.crop_pct},
                 {"crop_mode", crop_mode_name(config.preprocessing.crop_mode)},
                 {"mean", mean},
                 {"std", std},
                 {"license", license}}}};
  if (config.score_function != ScoreFunction::softmax) {  // transformers' key
    json["problem_type"] =
        config.score_function == ScoreFunction::identity ? "regression" : "multi_label_classification";
  }
  return json;
}

}  // namespace beit::inline BEIT_ABI
