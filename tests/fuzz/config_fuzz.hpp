// Tries a text as a configuration, for the fuzz targets and tests/model/config_mutation_test.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/io/json.hpp>
#include <beit/io/shard_index.hpp>
#include <beit/io/weight_files.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/classify.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/hugging_face.hpp>
#include <beit/model/segment.hpp>
#include <beit/model/segmentation_reader.hpp>

namespace config_fuzz {

using beit::Index;

/// Where a tiny model has its relative positions, on which depends what its shapes reveal.
enum class Positions { table, shared, absolute, none };

/// The parameters of a model of 4 x 4 pixels, patches of 2 x 2, C = 4, A = 2, M = 8, K = 3 and one block.
class TinyWeights : public beit::WeightSource {
 public:
  explicit TinyWeights(Positions positions) {
    shapes_ = {{"cls_token", {1, 1, 4}},
               {"patch_embed.proj.weight", {4, 3, 2, 2}},
               {"patch_embed.proj.bias", {4}},
               {"blocks.0.norm1.weight", {4}},
               {"blocks.0.norm1.bias", {4}},
               {"blocks.0.attn.q_bias", {4}},
               {"blocks.0.attn.v_bias", {4}},
               {"blocks.0.attn.qkv.weight", {12, 4}},
               {"blocks.0.attn.proj.weight", {4, 4}},
               {"blocks.0.attn.proj.bias", {4}},
               {"blocks.0.gamma_1", {4}},
               {"blocks.0.gamma_2", {4}},
               {"blocks.0.norm2.weight", {4}},
               {"blocks.0.norm2.bias", {4}},
               {"blocks.0.mlp.fc1.weight", {8, 4}},
               {"blocks.0.mlp.fc1.bias", {8}},
               {"blocks.0.mlp.fc2.weight", {4, 8}},
               {"blocks.0.mlp.fc2.bias", {4}},
               {"fc_norm.weight", {4}},
               {"fc_norm.bias", {4}},
               {"head.weight", {3, 4}},
               {"head.bias", {3}}};
    if (positions == Positions::table) shapes_["blocks.0.attn.relative_position_bias_table"] = {12, 2};
    if (positions == Positions::shared) shapes_["rel_pos_bias.relative_position_bias_table"] = {12, 2};
    if (positions == Positions::absolute) shapes_["pos_embed"] = {1, 5, 4};
  }

  bool has(const std::string& name) const override { return shapes_.contains(name); }
  std::vector<Index> shape(const std::string& name) const override {
    const auto found = shapes_.find(name);
    if (found == shapes_.end()) throw beit::WeightError(name + ": tensor is missing");
    return found->second;
  }
  void read(const std::string& name, std::span<const Index> wanted, Index begin, Index count,
            float* out) const override {
    const std::vector<Index> found = shape(name);
    if (!std::equal(found.begin(), found.end(), wanted.begin(), wanted.end())) {
      throw beit::WeightError(name + ": wrong shape");
    }
    for (Index i = 0; i < count; ++i) out[i] = 0.5f * std::sin(static_cast<float>(begin + i));
  }

 protected:
  std::map<std::string, std::vector<Index>> shapes_;
};

/// Its trunk with five blocks, which the rule microsoft needs, and a segmentation head of 2 channels and one scale,
/// whose norms are folded.
class TinySegmentation final : public TinyWeights {
 public:
  TinySegmentation() : TinyWeights(Positions::shared) {
    const auto block = shapes_;
    for (const auto& [name, shape] : block) {
      if (!name.starts_with("blocks.0.")) continue;
      for (const char* number : {"1", "2", "3", "4"}) shapes_["blocks." + (number + name.substr(8))] = shape;
    }
    for (const char* name : {"fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias"}) shapes_.erase(name);
    const auto conv = [&](const std::string& name, std::vector<Index> shape, Index outputs) {
      shapes_[name + ".weight"] = std::move(shape);
      shapes_[name + ".bias"] = {outputs};
    };
    for (const char* name : {"fpn1.0", "fpn1.3", "fpn2.0"}) conv(name, {4, 4, 2, 2}, 4);
    const std::string head = "decode_head.";
    conv(head + "psp_modules.0.1.conv", {2, 4, 1, 1}, 2);
    conv(head + "bottleneck.conv", {2, 6, 3, 3}, 2);
    conv(head + "fpn_bottleneck.conv", {2, 8, 3, 3}, 2);
    conv(head + "classifier", {3, 2, 1, 1}, 3);
    for (const char* level : {"0", "1", "2"}) {
      conv(head + "lateral_convs." + level + ".conv", {2, 4, 1, 1}, 2);
      conv(head + "fpn_convs." + level + ".conv", {2, 2, 3, 3}, 2);
    }
  }
};

/// Makes and uses the model of `config` if it is small. Throws beit::Error if it can't be made; any other exception is
/// a bug, and so is a result that breaks a model's promise, which aborts.
inline void use(Positions positions, beit::Config wanted, const TinyWeights& weights) {
  const beit::Beit<float> model(std::move(wanted), weights.root());
  const beit::Config& config = model.config();
  const bool same_shapes = config.embed_dim == 4 && config.depth == 1 && config.mlp_hidden == 8 &&
                           config.num_classes == 3 && config.patch_size == beit::Size{2, 2};
  const bool same_grid = positions == Positions::none || config.num_tokens() == 5;
  if (!same_shapes || !same_grid || (!config.labels.empty() && config.labels.size() != 3)) std::abort();
  const beit::Size resized = config.preprocessing.resize_to;
  if (config.image_size.area() > 4096 || resized.area() > 1 << 20 || resized.height > 1 << 14) return;

  std::uint8_t pixels[5 * 7 * 3];
  for (std::size_t i = 0; i < sizeof(pixels); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
  const auto best = beit::classify(model, beit::ImageView{pixels, 5, 7, 3, 7 * 3}, 3);
  if (best.size() != 3) std::abort();
  const bool sums_to_one = std::abs(best[0].score + best[1].score + best[2].score - 1) < 1e-5f;
  if (config.score_function == beit::ScoreFunction::softmax && !sums_to_one) std::abort();
  for (const beit::Prediction& found : best) {
    if (!std::isfinite(found.score)) std::abort();
  }
}

/// Tries timm's configuration, or a converted file's.
inline void use(Positions positions, std::string_view text) {
  const TinyWeights weights(positions);
  use(positions, beit::read_config(weights.root(), beit::parse_json(text, "fuzz"), "fuzz"), weights);
}

/// Tries an array of the JSON files in a folder of Hugging Face: config.json, preprocessor_config.json, the index of
/// shards.
inline void use_hugging_face(Positions positions, std::string_view text) {
  const nlohmann::json files = beit::parse_json(text, "fuzz");
  if (!files.is_array() || files.size() != 3) throw beit::ConfigError("fuzz: wanted three files");
  const TinyWeights weights(positions);
  for (const auto& [tensor, shard] : beit::detail::read_shard_index(files[2], "index")) {
    if (shard.find('/') != std::string::npos) std::abort();
  }
  const std::string names[] = {"config", "preprocessor"};
  const beit::detail::JsonField json(files[0], names[0]);
  beit::Config config = beit::detail::read_hugging_face_features(weights.root(), json, {files[1], names[1]});
  beit::detail::read_hugging_face_classes(weights.root(), json, config);
  use(positions, std::move(config), weights);
}

/// Tries the configuration of a segmentation model, transformers' and a converted file's.
inline void use_segmentation(std::string_view text) {
  const nlohmann::json file = beit::parse_json(text, "fuzz");
  const std::string where = "fuzz";
  const beit::detail::JsonField json(file, where);
  const TinySegmentation weights;
  const bool transformers = json["model_type"].present();
  beit::Config trunk = transformers ? beit::detail::read_hugging_face_features(weights.root(), json, json.missing())
                                    : beit::detail::read_timm_features(weights.root(), json);
  const auto rule = transformers ? beit::SegmentationRule::transformers : beit::SegmentationRule::microsoft;
  const beit::SegmentationModel<float> model(
      beit::detail::read_segmentation(weights.root(), json, std::move(trunk), rule), weights.root());
  const beit::SegmentationConfig& config = model.config();
  if (config.num_classes != 3 || config.palette.size() != 3 || config.rule != rule) std::abort();
  if (config.depth != 5) std::abort();
  const beit::Size resized = config.preprocessing.resize_to;
  if (config.image_size.area() > 4096 || resized.area() > 1 << 20 || resized.height > 1 << 14) return;
  std::uint8_t pixels[5 * 7 * 3];
  for (std::size_t i = 0; i < sizeof(pixels); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
  for (const beit::SegmentationRule as : beit::segmentation_rules) {
    if (!config.has_blocks(as)) continue;
    const beit::LabelMap map = beit::segment(model, {pixels, 5, 7}, {.as = as});
    if (map.size != beit::Size{5, 7} || map.values.size() != 35) std::abort();
    if (*std::max_element(map.values.begin(), map.values.end()) > 2) std::abort();
  }
}

}  // namespace config_fuzz
