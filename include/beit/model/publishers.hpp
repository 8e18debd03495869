// The publishers whose files are read: each one's names of parameters, and the reader of its configuration.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/hugging_face.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/name_tables.hpp>
#include <beit/model/preprocessing_file.hpp>
#include <beit/model/presets.hpp>
#include <beit/model/resampled_weights.hpp>
#include <beit/model/segmentation_config.hpp>
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
  Resampling resampling = Resampling::timm;
  /// The rule by which its segmentation models are run.
  SegmentationRule rule = SegmentationRule::microsoft;
};

/// Reads timm's configuration. A converted file may have a preprocessing beside it, which replaces timm's.
BEIT_COLD inline Config read_features_by_timm(const WeightScope& weights, const JsonField& json,
                                              const JsonField& preprocessor) {
  Config config = read_timm_features(weights, json);
  if (preprocessor.present()) {
    config.preprocessing =
        read_either_preprocessing(preprocessor, preprocessor.missing(), config.in_chans, config.image_size);
  }
  return config;
}

/// Reads mmpretrain's model, which is published without JSON: images are resized to 256 for a crop of 224.
BEIT_COLD inline Config read_mmpretrain_features(const WeightScope& weights, const JsonField& json, const JsonField&) {
  Config config = read_timm_features(weights, json);
  if (!json.present()) config.preprocessing.crop_pct = 0.875;
  return config;
}

/// Reads Microsoft's BEiT-3, which is published without JSON.
BEIT_COLD inline Config read_beit3_features(const WeightScope& weights, const JsonField& json, const JsonField&) {
  Config config = read_timm_features(weights, json);
  if (json.present()) return config;
  config.preprocessing = find_preset("beit3_base_patch16_224")->preprocessing();
  config.preprocessing.input_size = config.image_size;
  return config;
}

/// All publishers. If the marker of one is part of another's, the longer one comes first.
inline constexpr std::array<Publisher, 6> publishers{{
    {"transformers 5, in memory", transformers_memory_names, read_hugging_face_features, read_hugging_face_classes,
     true, Resampling::transformers, SegmentationRule::transformers},
    {"Hugging Face transformers", transformers_file_names, read_hugging_face_features, read_hugging_face_classes, true,
     Resampling::transformers, SegmentationRule::transformers},
    {"mmpretrain", mmpretrain_names, read_mmpretrain_features, read_timm_classes},
    {"candle", candle_names, read_features_by_timm, read_timm_classes},
    {"Microsoft's BEiT-3", beit3_names, read_beit3_features, read_timm_classes},
    {"timm and Microsoft", timm_names, read_features_by_timm, read_timm_classes},
}};

/// The first publisher whose marker is in `file`, or the last one if there is none.
BEIT_COLD inline const Publisher& publisher_of(const WeightReader& file, std::span<const Publisher> from = publishers) {
  const auto found = std::find_if(from.begin(), from.end(), [&](const Publisher& publisher) {
    return prefix_of(file, publisher.names).has_value();
  });
  return found == from.end() ? from.back() : *found;
}

/// The publisher whose configuration this is, beside parameters under the names of `named`. Under timm's names,
/// converted files have the configuration of transformers, too, whose model_type tells it.
BEIT_COLD inline const Publisher& publisher_of(const JsonField& config, const Publisher& named) {
  const std::string* const type = string_in(config["model_type"].value());
  const bool transformers = type != nullptr && (*type == "beit" || *type == "data2vec-vision");
  return transformers && named.names.marker == timm_names.marker ? publishers.front() : named;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
