// Reads the configuration of a segmentation model.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/ade20k.hpp>
#include <beit/model/batch_norm_folded.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/hugging_face.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/segmentation_config.hpp>
#include <beit/model/trunk_shapes.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The last layer of a segmentation model, whose shape is (K, channels, 1, 1).
inline constexpr const char* segmentation_classifier = "decode_head.classifier.weight";

/// The convolutions of a head with so many scales in its pyramid pooling, and their batch norms.
BEIT_COLD inline std::vector<FoldedNorm> segmentation_norms(std::size_t scales) {
  std::vector<FoldedNorm> norms{{"fpn1.0.", "fpn1.1.", 1}};
  const auto add = [&](const std::string& module) {
    norms.push_back({concat({"decode_head.", module, ".conv."}), concat({"decode_head.", module, ".bn."})});
  };
  for (std::size_t i = 0; i < scales; ++i) add(concat({"psp_modules.", i, ".1"}));
  for (const char* level : {"0", "1", "2"}) {
    add(concat({"lateral_convs.", level}));
    add(concat({"fpn_convs.", level}));
  }
  add("bottleneck");
  add("fpn_bottleneck");
  return norms;
}

/// Reads the four blocks of transformers' configuration, or of a converted file. Without JSON they are the ones of
/// Microsoft's models, a third, half, two thirds and all of the blocks.
BEIT_COLD inline std::array<Index, 4> read_out_indices(const JsonField& root, Index depth) {
  const JsonField field = root[root["out_indices"].present() ? "out_indices" : "segmentation_indices"];
  if (!field.present() && !root.present()) return {depth / 3 - 1, depth / 2 - 1, 2 * depth / 3 - 1, depth - 1};
  const auto* const list = array_in(field.value());
  std::array<Index, 4> result{};
  if (list == nullptr || list->size() != result.size()) {
    root["out_indices"].fail("a list of four blocks, as a segmentation model has it");
  }
  Index least = 1;
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = field.at((*list)[i]).integer();
    if (result[i] < least || result[i] > depth) field.fail(concat({"ascending numbers from 1 to the depth ", depth}));
    least = result[i] + 1;
  }
  return result;
}

/// Reads the sides of pyramid pooling's maps; without them they are the published ones.
BEIT_COLD inline std::vector<Index> read_pool_scales(const JsonField& field) {
  if (!field.present()) return SegmentationConfig{}.pool_scales;
  const auto* const list = array_in(field.value());
  if (list == nullptr) field.fail("a list of numbers");
  std::vector<Index> scales;
  for (const nlohmann::json& scale : *list) {
    scales.push_back(field.at(scale).integer());
    if (scales.back() < 1 || scales.back() > max_pool_scale) field.fail(concat({"numbers from 1 to ", max_pool_scale}));
  }
  return scales;
}

/// Reads the colours of a converted file, [[red, green, blue], ...], one for each class.
BEIT_COLD inline std::vector<Colour> read_palette(const JsonField& field, Index classes) {
  if (!field.present()) return default_palette(classes);
  const auto* const list = array_in(field.value());
  if (list == nullptr || static_cast<Index>(list->size()) != classes) {
    field.fail(concat({"a colour for each of the ", classes, " classes"}));
  }
  std::vector<Colour> palette;
  for (const nlohmann::json& entry : *list) {
    const auto* const colour = array_in(entry);
    if (colour == nullptr || colour->size() != 3) field.at(entry).fail("[red, green, blue]");
    Colour values;
    for (std::size_t i = 0; i < 3; ++i) {
      const JsonField value = field.at((*colour)[i]);
      if (value.integer() > 255) value.fail("an integer from 0 to 255");
      values[i] = static_cast<std::uint8_t>(value.integer());
    }
    palette.push_back(values);
  }
  return palette;
}

/// Reads the fields of the head beside the trunk, whose model follows `rule`. ConfigError for a value of the wrong
/// kind or range, or where the JSON has no out_indices.
BEIT_COLD inline SegmentationConfig read_segmentation(const WeightScope& weights, const JsonField& root,
                                                      TrunkConfig trunk, SegmentationRule rule) {
  SegmentationConfig config{std::move(trunk)};
  config.use_fc_norm = config.use_final_norm = false;  // the head reads the tokens as they are
  const std::vector<Index> classifier = shape_of_rank(weights, segmentation_classifier, 4);
  config.num_classes = classifier[0];
  config.channels = classifier[1];
  config.out_indices = read_out_indices(root, config.depth);
  config.pool_scales = read_pool_scales(root["pool_scales"]);
  config.rule = rule;
  config.labels = rule == SegmentationRule::transformers
                      ? read_id2label(root["id2label"], weights, config.num_classes, segmentation_classifier)
                      : read_timm_labels(root, config.num_classes);
  const bool ade20k = config.num_classes == std::ssize(ade20k_classes);
  if (config.labels.empty() && ade20k) {
    for (const AdeClass& known : ade20k_classes) config.labels.emplace_back(known.name);
  }
  config.palette = read_palette(root["palette"], config.num_classes);
  if (!root.present()) config.preprocessing = SegmentationConfig::published_preprocessing(rule, config.image_size);
  return config;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
