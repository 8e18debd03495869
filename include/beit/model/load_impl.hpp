// How a model is made of its files.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/dvae_config_reader.hpp>
#include <beit/model/hugging_face.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/load.hpp>
#include <beit/model/masked_image_model.hpp>
#include <beit/model/model_files.hpp>
#include <beit/model/resampled_weights.hpp>
#include <beit/model/tokenizer.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// What is made of a file.
enum class Part { classifier, features, masked_image_model };

/// The size in pixels of the images that `options` ask for, 0 x 0 where they ask for none; `unit` is that of a patch or
/// token, which messages call `unit_name`. ArgumentError unless it is a multiple of the unit.
BEIT_COLD inline Size wanted_image_size(const LoadOptions& options, Size unit, const char* unit_name) {
  const Size size = options.image_size, grid = options.grid, most{max_model_side, max_model_side};
  if (grid != Size{} && size != Size{}) {
    throw ArgumentError(
        concat({"load: found image_size ", size_text(size), " and grid ", size_text(grid), ", wanted one of the two"}));
  }
  if (grid != Size{}) {
    const Size largest{max_model_side / unit.height, max_model_side / unit.width};
    if (grid.height >= 1 && grid.width >= 1 && grid.height <= largest.height && grid.width <= largest.width) {
      return {grid.height * unit.height, grid.width * unit.width};
    }
    throw ArgumentError(concat({"load: found grid ", size_text(grid), ", wanted 1x1 to ", size_text(largest)}));
  }
  if (size == Size{}) return {};
  const auto below = [](Index side, Index step) { return std::max<Index>(side / step, 1) * step; };
  const auto above = [](Index side, Index step) { return std::max<Index>((side + step - 1) / step, 1) * step; };
  if (size.height > most.height || size.width > most.width) {
    throw ArgumentError(concat({"load: found image size ", size_text(size), ", wanted at most ", size_text(most)}));
  }
  const Size smaller{below(size.height, unit.height), below(size.width, unit.width)};
  const Size larger{above(size.height, unit.height), above(size.width, unit.width)};
  if (size == smaller) return size;
  throw ArgumentError(concat({"load: found image size ", size_text(size), ", wanted a multiple of ", unit_name, " ",
                              size_text(unit), ": the nearest ",
                              smaller == larger ? concat({"is ", size_text(larger)})
                                                : concat({"are ", size_text(smaller), " and ", size_text(larger)})}));
}

/// Makes `config` that of images of `size`. What transformers resize to before they crop grows with it.
BEIT_COLD inline void set_image_size(Config& config, Size size) {
  Preprocessing& preprocessing = config.preprocessing;
  const auto scaled = [](Index side, Index to, Index from) { return (2 * side * to + from) / (2 * from); };
  if (preprocessing.resize_to != Size{}) {
    preprocessing.resize_to = {scaled(preprocessing.resize_to.height, size.height, config.image_size.height),
                               scaled(preprocessing.resize_to.width, size.width, config.image_size.width)};
  }
  config.image_size = preprocessing.input_size = size;
}

/// Puts what `options` say in place of what the file says of preprocessing. ArgumentError unless it is for `size`.
BEIT_COLD inline void set_preprocessing(const LoadOptions& options, Size size, Preprocessing& preprocessing) {
  if (!options.preprocessing) return;
  if (options.preprocessing->input_size != size) {
    throw ArgumentError(
        concat({"load: found preprocessing for an input_size of ", size_text(options.preprocessing->input_size),
                ", wanted the model's image size ", size_text(size)}));
  }
  preprocessing = *options.preprocessing;
}

/// The model of a source while it is loaded: its files, its parameters and what the options say.
class Loading {
 public:
  BEIT_COLD Loading(const Source& source, const LoadOptions& given)
      : options(given),
        executor(given.executor ? *given.executor : Executor(default_thread_pool())),
        files(open_model_files(source)),
        reader(files.weights, files.name) {
    if (given.precision) {
      throw ArgumentError("load: found the option precision, which load_any takes, wanted it in the weight type alone");
    }
  }

  /// The configuration for `part`.
  Config read_config(Part part, const TimmNames& names) const;
  /// What is done with the images of a tokenizer that makes a token of `stride` x `stride` pixels.
  Preprocessing tokenizer_preprocessing(Index stride) const;

  const LoadOptions& options;
  Executor executor;
  ModelFiles files;
  WeightReader reader;
};

/// The parameters of heads that `config` isn't of: as if they had been read.
BEIT_COLD inline void ignore_heads(const WeightReader& reader, const TimmNames& names) {
  for (const char* head : {"head.", "classifier.", "lm_head.", "lm_norm.", "decode_head.", "auxiliary_head.", "fpn1.",
                           "fpn2.", "fpn3.", "fpn4."}) {
    reader.ignore(concat({names.prefix(), head}));
    reader.ignore(concat({names.outer_prefix(), head}));
  }
  if (names.has("lm_norm.weight")) reader.ignore(concat({names.outer_prefix(), "layernorm."}));
}

BEIT_COLD BEIT_INLINE Config Loading::read_config(Part part, const TimmNames& names) const {
  if (reader.has("encoder.blocks.input.w") || reader.has("decoder.blocks.input.w")) {
    throw WeightError(concat({reader.name(), ": found a tokenizer, which load_tokenizer reads, wanted a BEiT"}));
  }
  const WeightScope root = names.root(executor);
  const std::string& where = files.config.where.empty() ? files.name : files.config.where;
  Config config = names.hugging_face()
                      ? read_hugging_face_config(root, files.config.parse(), where, files.preprocessor.parse(),
                                                 files.preprocessor.where, part == Part::features)
                      : beit::read_config(root, files.config.parse(), where);
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
  if (!files.labels.empty() && options.labels.empty()) config.labels = files.labels;
  config.check();
  if (options.labels.empty()) return config;
  if (static_cast<Index>(options.labels.size()) != config.num_classes) {
    throw ArgumentError(concat({"load: found ", options.labels.size(), " labels, wanted ",
                                config.num_classes > 0 ? std::to_string(config.num_classes) : "none"}));
  }
  config.labels = options.labels;
  return config;
}

BEIT_COLD BEIT_INLINE Preprocessing Loading::tokenizer_preprocessing(Index stride) const {
  // What DALL-E's encoder is used with: the crop that the model sees, at half its size.
  Preprocessing preprocessing{.input_size = {112, 112},
                              .interpolation = Interpolation::lanczos,
                              .crop_pct = 1.0,
                              .mean = {0.0f, 0.0f, 0.0f},
                              .std = {1.0f, 1.0f, 1.0f}};
  const nlohmann::json json = files.config.parse();
  read_preprocessing(JsonField(json, files.config.where), 3, preprocessing);
  const Size size = wanted_image_size(options, {stride, stride}, "the pixels per token");
  if (size != Size{}) preprocessing.input_size = size;
  set_preprocessing(options, preprocessing.input_size, preprocessing);
  return preprocessing;
}

/// The model, a Beit or a MaskedImageModel, in `source`.
template <typename Model>
BEIT_COLD Model load_from(const Source& source, Part part, const LoadOptions& options) {
  const Loading loading(source, options);
  const TimmNames names(loading.reader);
  Config config = loading.read_config(part, names);
  const Size trained = config.grid(), size = wanted_image_size(options, config.patch_size, "the patch size");
  if (size != Size{}) set_image_size(config, size);
  set_preprocessing(options, config.image_size, config.preprocessing);
  const ResampledWeights resampled(names, trained, config.grid());
  Model model(std::move(config), resampled.root(loading.executor), choose_kernels(options.isa));
  loading.reader.finish();
  return model;
}

}  // namespace detail

template <typename Weight>
Beit<Weight> load(const Source& source, const LoadOptions& options) {
  return detail::load_from<Beit<Weight>>(
      source, options.features_only ? detail::Part::features : detail::Part::classifier, options);
}

template <typename Weight>
MaskedImageModel<Weight> load_masked_image_model(const Source& source, const LoadOptions& options) {
  return detail::load_from<MaskedImageModel<Weight>>(source, detail::Part::masked_image_model, options);
}

template <typename Weight>
Tokenizer<Weight> load_tokenizer(const Source& source, const LoadOptions& options) {
  const detail::Loading loading(source, options);
  const WeightReader& reader = loading.reader;
  const WeightScope root = reader.root(loading.executor);
  const auto below = [&](const char* half) { return root.scope(half).scope("blocks"); };
  const bool encoder = below("encoder").has("input.w"), decoder = below("decoder").has("input.w");
  if (!encoder && !decoder) {
    throw WeightError(reader.name() +
                      ": found neither encoder.blocks.input.w nor decoder.blocks.input.w, wanted a "
                      "tokenizer: weights_tools/convert_tokenizer.py makes one from DALL-E's files");
  }
  if (!options.encoder) reader.ignore("encoder.");
  if (!options.decoder) reader.ignore("decoder.");
  const Kernels& kernels = choose_kernels(options.isa);
  std::optional<DvaeEncoder<Weight>> in;
  std::optional<DvaeDecoder<Weight>> out;
  if (encoder && options.encoder) {
    in.emplace(detail::read_encoder_config(below("encoder")), root.scope("encoder"), kernels);
  }
  if (decoder && options.decoder) {
    out.emplace(detail::read_decoder_config(below("decoder")), root.scope("decoder"), kernels);
  }
  reader.finish();
  const Index stride = in ? in->config().stride() : out ? out->config().stride() : 1;
  return {loading.tokenizer_preprocessing(stride), std::move(in), std::move(out)};
}

}  // namespace beit::inline BEIT_ABI
