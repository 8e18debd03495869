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

namespace beit::inline BEIT_ABI {

/// Writes a converted file: the tensors of `backbone`, byte for byte in their types, but with `head.weight` (K, C) and
/// `head.bias` (K,) in float32 instead of its own head; and `config` with these labels (K names). Both beit::load and
/// timm (load_state_dict into the model of config_json) load it. Buffers called relative_position_index, which older
/// checkpoints have, are left out. ArgumentError if shapes don't fit each other; FileError as write_safetensors throws
/// it.
inline void save_with_head(const std::filesystem::path& path, const SafeTensors& backbone, Config config,
                           const Matrix& weight, std::span<const float> bias, std::vector<std::string> labels,
                           const std::string& license = "unknown") {
  require_shape(weight, static_cast<Index>(labels.size()), config.embed_dim, "save_with_head: weight");
  if (bias.size() != labels.size()) {
    throw ArgumentError(detail::concat({"save_with_head: found ", bias.size(), " biases, wanted ", labels.size()}));
  }
  if (!backbone.tensors().contains("cls_token")) {
    throw ArgumentError(detail::concat(
        {"save_with_head: ", backbone.name(),
         ": found no cls_token, wanted a file with timm's names: convert it: weights_tools/convert.py"}));
  }
  const Index classes = weight.rows();
  config.num_classes = classes;
  config.labels = std::move(labels);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : backbone.tensors()) {
    if (!name.ends_with("relative_position_index")) tensors.emplace(name, tensor);
  }
  const auto floats = [](const float* data, Index size) {
    return std::as_bytes(std::span(data, static_cast<std::size_t>(size)));
  };
  tensors["head.weight"] = {DType::F32, {classes, weight.cols()}, floats(weight.data(), weight.size())};
  tensors["head.bias"] = {DType::F32, {classes}, floats(bias.data(), classes)};
  write_safetensors(path, tensors, {{"beit.config", config_json(config, license).dump()}, {"format", "pt"}});
}

}  // namespace beit::inline BEIT_ABI
