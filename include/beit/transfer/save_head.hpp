// Saves a backbone with a new head as a complete model file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/safetensors_writer.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_writer.hpp>
#include <beit/model/model_kinds.hpp>
#include <beit/model/name_tables.hpp>
#include <beit/model/publishers.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The name in timm's class of a parameter that its Beit calls `name`.
BEIT_COLD inline std::string name_in_timm(const std::string& name, const Config& config) {
  if (!is_vision_transformer(config)) return name;
  for (const NameRow& row : timm_rows) {
    if (const auto found = renamed(name, row.ours, row.theirs[0])) return *found;
  }
  return name;
}

/// The parameters of the trunk in a backbone's files, by the names that a converted file has for them.
BEIT_COLD inline std::map<std::string, StoredParameter> trunk_parameters(std::span<const SafeTensors> backbone,
                                                                         const Config& config) {
  if (backbone.empty()) throw ArgumentError("save_with_head: found no files, wanted those of a backbone");
  const WeightReader reader(backbone, backbone.front().name());
  const TimmNames names(reader, publisher_of(reader).names);
  if (!names.has("cls_token")) {
    throw ArgumentError(concat({"save_with_head: ", names.where("cls_token"), " is missing, wanted a backbone"}));
  }
  std::map<std::string, StoredParameter> result;
  for (const std::string& name : names.names()) {
    if (name.ends_with("relative_position_index") || is_of_a_head(name)) continue;
    result.emplace(name_in_timm(name, config), names.stored(name));
  }
  return result;
}

}  // namespace detail

/// Throws what save_with_head would throw for the files of this backbone and the configuration of the model in them.
BEIT_COLD inline void require_savable(std::span<const SafeTensors> backbone, const Config& config) {
  (void)detail::trunk_parameters(backbone, config);
  (void)converted_metadata(config);
}

/// Writes a converted file: the tensors of `backbone`, a file or all shards of one that beit::load reads, byte for byte
/// in the types that they have, but with `head.weight` (K, C) and `head.bias` (K,) in float32 in place of its own head,
/// whichever that is, and the metadata of `config` with these labels (K names). Names become timm's, and tensors that
/// are one in timm are joined. The buffers called relative_position_index of older checkpoints are left out.
///
/// beit::load reads the file. So does timm (load_state_dict into the model of config_json) if `config` is one of
/// timm's: a model of transformers keeps transformers' configuration, since timm has another epsilon. ArgumentError
/// where shapes don't fit each other, and as config_json; WeightError if parts of a tensor differ in type or size;
/// FileError as write_safetensors.
inline void save_with_head(const std::filesystem::path& path, std::span<const SafeTensors> backbone, Config config,
                           const ConstRows& weight, std::span<const float> bias, std::vector<std::string> labels,
                           const std::string& license = "unknown") {
  require_shape(weight, static_cast<Index>(labels.size()), config.embed_dim, "save_with_head: weight");
  if (bias.size() != labels.size()) {
    throw ArgumentError(detail::concat({"save_with_head: found ", bias.size(), " biases, wanted ", labels.size()}));
  }
  const Index classes = weight.rows();
  config.num_classes = classes;
  config.labels = std::move(labels);
  config.score_function = ScoreFunction::softmax;
  std::map<std::string, Tensor> tensors;
  std::vector<std::vector<std::byte>> joined;
  for (auto& [name, stored] : detail::trunk_parameters(backbone, config)) {
    std::span<const std::byte> data = stored.parts.front();
    if (stored.parts.size() > 1) {
      std::vector<std::byte>& whole = joined.emplace_back();
      for (const std::span<const std::byte> part : stored.parts) whole.insert(whole.end(), part.begin(), part.end());
      data = whole;
    }
    tensors[name] = {stored.dtype, stored.shape, data};
  }
  const Matrix rows(weight);  // without gaps between them
  const std::span<const float> numbers(rows.data(), static_cast<std::size_t>(rows.size()));
  tensors["head.weight"] = {DType::F32, {classes, rows.cols()}, std::as_bytes(numbers)};
  tensors["head.bias"] = {DType::F32, {classes}, std::as_bytes(bias)};
  std::map<std::string, std::string> metadata = converted_metadata(config, license);
  metadata["format"] = "pt";
  metadata["beit.added"] = "head";
  write_safetensors(path, tensors, metadata);
}

/// Writes a converted file as above, from a backbone in a single file.
inline void save_with_head(const std::filesystem::path& path, const SafeTensors& backbone, Config config,
                           const ConstRows& weight, std::span<const float> bias, std::vector<std::string> labels,
                           const std::string& license = "unknown") {
  save_with_head(path, std::span(&backbone, 1), std::move(config), weight, bias, std::move(labels), license);
}

}  // namespace beit::inline BEIT_ABI
