// Reads a preprocessing from a JSON file of its own.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/image_processor.hpp>
#include <beit/model/json_field.hpp>

namespace beit::inline BEIT_ABI {

/// Returns the preprocessing that the value of a JSON file describes, for LoadOptions::preprocessing; messages call the
/// file `where`. The file is one of:
///   transformers' preprocessor_config.json or processor_config.json, which names its image_processor_type;
///   timm's config.json or a pretrained_cfg alone, with input_size; fields that it lacks have timm's defaults.
/// Either may have a `pass_order`, which is this library's.
/// ConfigError for another file, for a value of the wrong kind, and for what the library can't do. `size_where`, if
/// given, becomes the place of the input_size, for LoadOptions::preprocessing_where: "file.json: crop_size".
[[nodiscard]] BEIT_COLD inline Preprocessing preprocessing_from_json(const nlohmann::json& json,
                                                                     const std::string& where,
                                                                     std::string* size_where = nullptr) {
  const detail::JsonField root(json, where);
  const detail::JsonField inner = root["image_processor"], processor = inner.present() ? inner : root;
  if (processor["image_processor_type"].present() || processor["feature_extractor_type"].present()) {
    const detail::ImageProcessorReader reader(processor, root.missing());
    Preprocessing result = reader.read(3, {});
    if (size_where != nullptr) *size_where = reader.size_where();
    detail::read_pass_order(processor, result);
    detail::read_pass_order(root, result);
    return result;
  }
  const detail::JsonField cfg = root["pretrained_cfg"].present() ? root["pretrained_cfg"] : root;
  if (!cfg["input_size"].present()) {
    throw ConfigError(
        detail::concat({where,
                        ": found no preprocessing, wanted image_processor_type (Hugging Face's) or input_size "
                        "(timm's)"}));
  }
  Preprocessing result = detail::timm_preprocessing();
  result.input_size = detail::read_input_size(cfg["input_size"], 3);
  if (size_where != nullptr) *size_where = cfg["input_size"].where();
  detail::read_preprocessing(cfg, 3, result);
  detail::read_pass_order(root, result);
  return result;
}

}  // namespace beit::inline BEIT_ABI
