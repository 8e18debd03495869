// Saves a backbone with a new head as a complete model file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/safetensors_writer.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_writer.hpp>
#include <beit/model/model_kinds.hpp>

namespace beit::inline BEIT_ABI {

/// Writes a converted file: the tensors of `backbone` byte for byte in the types that they have, but with `head.weight`
/// (K, C) and `head.bias` (K,) in float32 in place of its own head, whichever that is, and `config` with these labels
/// (K names). beit::load reads it, and timm (load_state_dict into the model of config_json). The buffers called
/// relative_position_index of older checkpoints are left out. ArgumentError where shapes don't fit each other;
/// FileError as write_safetensors.
inline void save_with_head(const std::filesystem::path& path, const SafeTensors& backbone, Config config,
                           const ConstRows& weight, std::span<const float> bias, std::vector<std::string> labels,
                           const std::string& license = "unknown") {
  require_shape(weight, static_cast<Index>(labels.size()), config.embed_dim, "save_with_head: weight");
  if (bias.size() != labels.size()) {
    throw ArgumentError(detail::concat({"save_with_head: found ", bias.size(), " biases, wanted ", labels.size()}));
  }
  if (!backbone.tensors().contains("cls_token")) {
    throw ArgumentError(detail::concat(
        {"save_with_head: ", backbone.name(),
         ": found no cls_token, wanted a file with timm's names: convert it with weights_tools/convert.py"}));
  }
  const Index classes = weight.rows();
  config.num_classes = classes;
  config.labels = std::move(labels);
  config.score_function = ScoreFunction::softmax;
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : backbone.tensors()) {
    if (!name.ends_with("relative_position_index") && !detail::is_of_a_head(name)) tensors.emplace(name, tensor);
  }
  const Matrix rows(weight);  // without gaps between them
  const std::span<const float> numbers(rows.data(), static_cast<std::size_t>(rows.size()));
  tensors["head.weight"] = {DType::F32, {classes, rows.cols()}, std::as_bytes(numbers)};
  tensors["head.bias"] = {DType::F32, {classes}, std::as_bytes(bias)};
  write_safetensors(path, tensors, {{"beit.config", config_json(config, license).dump()}, {"format", "pt"}});
}

}  // namespace beit::inline BEIT_ABI
