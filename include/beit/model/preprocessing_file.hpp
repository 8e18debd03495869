// Reads a preprocessing from a JSON file of its own.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/image_processor.hpp>
#include <beit/model/json_field.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Whether this names a class of transformers' image processors.
BEIT_COLD inline bool names_image_processor(const JsonField& json) {
  return json["image_processor_type"].present() || json["feature_extractor_type"].present();
}

/// Reads the preprocessing of images of so many channels and, unless it is 0 x 0, of `wanted` pixels: in timm's form,
/// which has an input_size, or else as the arguments of an image processor, of the class `type` if it names none.
/// `size_where`, if given, becomes the place of the size, for messages.
BEIT_COLD inline Preprocessing read_either_preprocessing(const JsonField& json, const JsonField& type, Index channels,
                                                         Size wanted, std::string* size_where = nullptr) {
  Preprocessing result;
  if (json["input_size"].present() && !names_image_processor(json)) {
    result = timm_preprocessing();
    result.input_size = read_input_size(json["input_size"], channels);
    if (size_where != nullptr) *size_where = json["input_size"].where();
    read_preprocessing(json, channels, result);
  } else {
    const ImageProcessorReader reader(json, type);
    result = reader.read(channels, wanted);
    if (size_where != nullptr) *size_where = reader.size_where();
    read_pass_order(json, result);
  }
  return result;
}

}  // namespace detail

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
  const detail::JsonField cfg = root["pretrained_cfg"].present() ? root["pretrained_cfg"] : root;
  const bool typed = detail::names_image_processor(processor);
  if (!typed && !cfg["input_size"].present()) {
    throw ConfigError(
        detail::concat({where,
                        ": found no preprocessing, wanted image_processor_type (Hugging Face's) or input_size "
                        "(timm's)"}));
  }
  Preprocessing result = detail::read_either_preprocessing(typed ? processor : cfg, root.missing(), 3, {}, size_where);
  detail::read_pass_order(root, result);
  return result;
}

}  // namespace beit::inline BEIT_ABI
