// From a path to a model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <beit/core/compiled.hpp>
#include <beit/core/index.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/masked_image_model.hpp>

namespace beit::inline BEIT_ABI {

/// How a model is loaded.
struct LoadOptions {
  /// The trunk alone, whatever the head in the file: forward gives the pooled features.
  bool features_only = false;
  /// Height and width that images are brought to, multiples of the patch size: positions are resampled as timm's
  /// set_input_size does it. 0 x 0: the size that the model was trained for.
  Size image_size{};
  /// The level of kernels to run on; ArgumentError where this processor hasn't it. None: the best that it has, or that
  /// the environment's BEIT_ISA allows.
  std::optional<Isa> isa{};
};

namespace detail {

/// What is made of a file.
enum class Part { classifier, features, masked_image_model };

/// The model, a Beit or a MaskedImageModel, at a path that a user names.
template <typename Model>
Model load_from(const std::filesystem::path& path, Part part, const LoadOptions& options, const Executor& executor);
/// The same in the bytes of a file, which is called `name`.
template <typename Model>
Model load_from(std::span<const std::byte> bytes, std::string name, Part part, const LoadOptions& options,
                const Executor& executor);

inline Part part_of(const LoadOptions& options) { return options.features_only ? Part::features : Part::classifier; }

}  // namespace detail

/// Loads a model.
///
/// `path` is one of:
///   a folder with timm's published pair, `model.safetensors` and `config.json`;
///   a folder of Hugging Face's transformers (BeitForImageClassification, BeitModel, and those of Data2VecVision), with
///   preprocessor_config.json, whole or in shards;
///   a file that weights_tools/convert.py wrote;
///   a bare safetensors file with timm's names, whose architecture then follows from its shapes.
/// Names may stand under a prefix (`model.`, `module.`, `backbone.`). A file called model.safetensors is read with the
/// config.json beside it, if there is one.
/// Weights in the file may be float32, float16, bfloat16 or int8 with scales, whatever Weight is: they are rounded or
/// quantised here, on the threads of `executor`: a pool's, which isn't needed afterwards.
/// FileError, WeightError or ConfigError where that fails; the message names the file and what is wrong.
template <typename Weight = float>
Beit<Weight> load(const std::filesystem::path& path, const LoadOptions& options,
                  const Executor& executor = default_thread_pool()) {
  return detail::load_from<Beit<Weight>>(path, detail::part_of(options), options, executor);
}
template <typename Weight = float>
Beit<Weight> load(const std::filesystem::path& path, const Executor& executor = default_thread_pool()) {
  return load<Weight>(path, LoadOptions{}, executor);
}

/// Loads a model from the bytes of a converted or bare file, for a model that is part of a program.
/// `name` stands for the path in messages.
template <typename Weight = float>
Beit<Weight> load(std::span<const std::byte> bytes, std::string name, const Executor& executor = default_thread_pool(),
                  const LoadOptions& options = {}) {
  return detail::load_from<Beit<Weight>>(bytes, std::move(name), detail::part_of(options), options, executor);
}

/// Loads the masked-image model of BEiT's pre-training, from what load takes: a folder of transformers'
/// BeitForMaskedImageModeling, or a file with timm's names and "mask_token", "norm" and "lm_head", as convert.py makes
/// it of Microsoft's. Of the options features_only says nothing to it. Errors as load's.
template <typename Weight = float>
MaskedImageModel<Weight> load_masked_image_model(const std::filesystem::path& path, const LoadOptions& options = {},
                                                 const Executor& executor = default_thread_pool()) {
  return detail::load_from<MaskedImageModel<Weight>>(path, detail::Part::masked_image_model, options, executor);
}

/// The same from the bytes of such a file. `name` stands for the path in messages.
template <typename Weight = float>
MaskedImageModel<Weight> load_masked_image_model(std::span<const std::byte> bytes, std::string name,
                                                 const Executor& executor = default_thread_pool(),
                                                 const LoadOptions& options = {}) {
  return detail::load_from<MaskedImageModel<Weight>>(bytes, std::move(name), detail::Part::masked_image_model, options,
                                                     executor);
}

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/load_impl.hpp>
#endif
