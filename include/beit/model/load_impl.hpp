// How a model is made of its files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weight_files.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/hugging_face.hpp>
#include <beit/model/load.hpp>
#include <beit/model/masked_image_model.hpp>
#include <beit/model/resampled_weights.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Where a model's configuration stands beside its weights; empty where there is none.
struct ConfigFiles {
  std::filesystem::path config, preprocessor;

  nlohmann::json read(const std::filesystem::path& path) const {
    return path.empty() ? nlohmann::json() : parse_json(read_text(path), path_text(path));
  }
};

/// `config` for another image size. ArgumentError where it is no multiple of the patch size.
BEIT_COLD inline void set_image_size(Config& config, Size size) {
  const Size patch = config.patch_size;
  const auto below = [](Index side, Index step) { return std::max<Index>(side / step, 1) * step; };
  const auto above = [](Index side, Index step) { return std::max<Index>((side + step - 1) / step, 1) * step; };
  if (size.height > max_model_side || size.width > max_model_side) {
    throw ArgumentError(concat({"load: found image size ", size_text(size), ", wanted at most ",
                                size_text({max_model_side, max_model_side})}));
  }
  const Size smaller{below(size.height, patch.height), below(size.width, patch.width)};
  const Size larger{above(size.height, patch.height), above(size.width, patch.width)};
  if (size != smaller) {
    throw ArgumentError(concat({"load: found image size ", size_text(size), ", wanted a multiple of the patch size ",
                                size_text(patch), ": the nearest ",
                                smaller == larger ? concat({"is ", size_text(larger)})
                                                  : concat({"are ", size_text(smaller), " and ", size_text(larger)})}));
  }
  Preprocessing& preprocessing = config.preprocessing;
  const auto scaled = [](Index side, Index to, Index from) { return (2 * side * to + from) / (2 * from); };
  if (preprocessing.resize_to != Size{}) {
    preprocessing.resize_to = {scaled(preprocessing.resize_to.height, size.height, config.image_size.height),
                               scaled(preprocessing.resize_to.width, size.width, config.image_size.width)};
  }
  config.image_size = preprocessing.input_size = size;
}

/// The parameters of heads that `config` isn't of: as if they had been read.
BEIT_COLD inline void ignore_heads(const WeightReader& reader, const TimmNames& names) {
  for (const char* head : {"head.", "classifier.", "lm_head.", "lm_norm.", "decode_head.", "auxiliary_head.", "fpn1.",
                           "fpn2.", "fpn3.", "fpn4."}) {
    reader.ignore(concat({names.prefix(), head}));
    reader.ignore(concat({names.outer_prefix(), head}));
  }
  if (names.has("lm_norm.weight")) reader.ignore(concat({names.outer_prefix(), "layernorm."}));
}

/// The model, a Beit or a MaskedImageModel, in `files`, which are called `name`.
template <typename Model>
BEIT_COLD Model load_from(std::span<const SafeTensors> files, std::string name, const ConfigFiles& configs, Part part,
                          const LoadOptions& options, const Executor& executor) {
  const WeightReader reader(files, std::move(name));
  if (reader.has("encoder.blocks.input.w") || reader.has("decoder.blocks.input.w")) {
    throw WeightError(concat({reader.name(), ": found a tokenizer, which load_tokenizer reads, wanted a BEiT"}));
  }
  const TimmNames names(reader);
  const WeightScope root = names.root(executor);
  std::string where = reader.name();
  nlohmann::json json = configs.read(configs.config);
  if (!json.is_null()) {
    where = path_text(configs.config);
  } else if (const auto found = files[0].metadata().find("beit.config"); found != files[0].metadata().end()) {
    where += ": beit.config";
    json = parse_json(found->second, where);
  }
  Config config = names.hugging_face()
                      ? read_hugging_face_config(root, json, where, configs.read(configs.preprocessor),
                                                 path_text(configs.preprocessor), part == Part::features)
                      : read_config(root, json, where);
  if (part == Part::features) {
    config.num_classes = 0;
    config.labels.clear();
    ignore_heads(reader, names);
  }
  if (part == Part::classifier && config.vocab_size > 0) {
    throw WeightError(
        concat({reader.name(),
                ": found lm_head, the head of a masked-image model, which load_masked_image_model reads; the "
                "features of its trunk are read with LoadOptions::features_only"}));
  }
  if (part == Part::masked_image_model && config.vocab_size == 0) {
    throw WeightError(concat({reader.name(), ": found no lm_head.weight, wanted a masked-image model"}));
  }
  // What pre-training puts in the place of masked patches: nothing is masked elsewhere.
  if (part != Part::masked_image_model) {
    for (const char* token : {"mask_token", "embeddings.mask_token"}) reader.ignore(concat({names.prefix(), token}));
    config.vocab_size = 0;
  }
  config.check();
  const Size trained = config.grid();
  if (options.image_size != Size{}) set_image_size(config, options.image_size);
  const ResampledWeights resampled(names, trained, config.grid());
  Model model(std::move(config), resampled.root(executor), choose_kernels(options.isa));
  reader.finish();
  return model;
}

template <typename Model>
BEIT_COLD Model load_from(const std::filesystem::path& path, Part part, const LoadOptions& options,
                          const Executor& executor) {
  const std::vector<SafeTensors> files = open_weight_files(path);
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  ConfigFiles configs;
  const bool named = folder || path.filename() == "model.safetensors" || path.extension() == ".json";
  if (named && !files[0].metadata().contains("beit.config")) {
    const std::filesystem::path beside = folder ? path : path.parent_path();
    if (file_exists(beside / "config.json")) configs.config = beside / "config.json";
    if (file_exists(beside / "preprocessor_config.json")) configs.preprocessor = beside / "preprocessor_config.json";
  }
  return load_from<Model>(files, files.size() == 1 ? files[0].name() : path_text(path), configs, part, options,
                          executor);
}

template <typename Model>
BEIT_COLD Model load_from(std::span<const std::byte> bytes, std::string name, Part part, const LoadOptions& options,
                          const Executor& executor) {
  const SafeTensors file = SafeTensors::from_memory(bytes, std::move(name));
  return load_from<Model>({&file, 1}, file.name(), {}, part, options, executor);
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
