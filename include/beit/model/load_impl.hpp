// The definitions of load.hpp.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
#include <beit/model/batch_norm_folded.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/config.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/load.hpp>
#include <beit/model/masked_image_model.hpp>
#include <beit/model/model_files.hpp>
#include <beit/model/model_kinds.hpp>
#include <beit/model/publishers.hpp>
#include <beit/model/resampled_weights.hpp>
#include <beit/model/segmentation_config.hpp>
#include <beit/model/segmentation_model.hpp>
#include <beit/model/segmentation_reader.hpp>
#include <beit/model/tokenizer.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// A source while its model is loaded.
class Loading {
 public:
  /// Opens `source` for the function called `loader`. Throws ArgumentError, FileError, WeightError or ConfigError if
  /// the function can't load it.
  BEIT_COLD Loading(std::string_view loader, const Source& source, const LoadOptions& options)
      : loader_(loader),
        options_(require_options(loader, options)),
        executor_(options.executor ? *options.executor : Executor(default_thread_pool())),
        files_(open_model_files(source)),
        reader_(files_.weights, files_.name, options.on_progress),
        publisher_(publisher_of(reader_)),
        names_(reader_, publisher_.names),
        kind_(require_kind(names_, files_.name, loader, options)),
        config_(files_.config.parse()),
        preprocessor_(files_.preprocessor.parse()),
        processor_(files_.processor.parse()),
        configured_(publisher_of(config(), publisher_)) {
    ignore_unused(names_, kind_, options);
  }

  /// Reads the configuration of a Beit.
  Config classifier_config() const;
  /// Reads the configuration of a MaskedImageModel.
  MaskedImageConfig masked_image_config() const;
  /// Reads the configuration of a SegmentationModel.
  SegmentationConfig segmentation_config() const;

  /// Makes a Beit or a MaskedImageModel, after adapting `config` to the image size in the options.
  template <typename Model, typename ModelConfig>
  BEIT_COLD Model make(ModelConfig config) const {
    const ResampledWeights weights = fit(config);
    Model model(std::move(config), weights.root(executor_), choose_kernels(options_.isa));
    reader_.finish();
    return model;
  }

  /// Makes a SegmentationModel likewise, without the batch norms of its head.
  template <typename Weight>
  BEIT_COLD SegmentationModel<Weight> make_segmentation_model(SegmentationConfig config) const {
    const ResampledWeights resampled = fit(config);
    const BatchNormFolded weights(resampled, segmentation_norms(config.pool_scales.size()));
    SegmentationModel<Weight> model(std::move(config), weights.root(executor_), choose_kernels(options_.isa));
    reader_.finish();
    return model;
  }

  /// Makes a tokenizer of the kind that the source holds.
  template <typename Weight>
  BEIT_COLD Tokenizer<Weight> make_tokenizer() const {
    return kind_.codebook ? Tokenizer<Weight>(make_vq_tokenizer<Weight>())
                          : Tokenizer<Weight>(make_dvae_tokenizer<Weight>());
  }

 private:
  /// The JSON fields from which the configuration is read.
  JsonField config() const { return {config_, files_.config.where.empty() ? files_.name : files_.config.where}; }

  /// The preprocessing that stands beside the configuration: the arguments of transformers' image processor, which
  /// processor_config.json has rather than preprocessor_config.json, or what a converted file carries. It is missing if
  /// the options replace it. ConfigError if the publisher's models need it.
  JsonField preprocessor() const;

  /// The image size in pixels that the options ask for, or 0 x 0. ArgumentError unless it is a multiple of `unit`, the
  /// size in pixels of a patch or token, which messages call `unit_name`.
  Size wanted_image_size(Size unit, const char* unit_name) const;
  /// Replaces the names of so many classes by those given beside the file or in the options.
  void set_labels(Index classes, std::vector<std::string>& labels) const;
  /// Replaces the file's preprocessing by the options', which must be for images of `size`.
  void set_preprocessing(Size size, Preprocessing& preprocessing) const;
  /// Adapts `config` to the image size in the options, and returns the weights for it.
  ResampledWeights fit(TrunkConfig& config) const;

  template <typename Weight>
  DvaeTokenizer<Weight> make_dvae_tokenizer() const;
  template <typename Weight>
  VqTokenizer<Weight> make_vq_tokenizer() const;

  /// The parameters of the encoder or decoder of DALL-E's tokenizer; none if it is missing or not wanted.
  std::optional<WeightScope> half(const char* name, bool wanted) const;
  /// Replaces what the configuration says of the preprocessing of a tokenizer.
  void read_tokenizer_preprocessing(Preprocessing& preprocessing) const;
  /// Adapts the preprocessing of a tokenizer whose tokens stand for `patch` pixels to the options.
  void fit_tokenizer(Size patch, Preprocessing& preprocessing) const;

  std::string_view loader_;
  const LoadOptions& options_;
  Executor executor_;
  ModelFiles files_;
  WeightReader reader_;
  const Publisher& publisher_;
  TimmNames names_;
  const ModelKind& kind_;
  nlohmann::json config_, preprocessor_, processor_;
  const Publisher& configured_;  // whose configuration config_ is
};

BEIT_COLD BEIT_INLINE Config Loading::classifier_config() const {
  const WeightScope weights = names_.root(executor_);
  Config config = configured_.read_features(weights, this->config(), preprocessor());
  if (!kind_.norm && !weights.has("norm.weight")) {  // its heads read the patches' tokens as they are
    config.use_final_norm = false;
    config.global_pool = GlobalPool::avg;
  }
  if (!options_.features_only) configured_.read_classes(weights, this->config(), config);
  set_labels(config.num_classes, config.labels);
  return config;
}

BEIT_COLD BEIT_INLINE SegmentationConfig Loading::segmentation_config() const {
  const WeightScope weights = names_.root(executor_);
  SegmentationConfig config = read_segmentation(
      weights, this->config(), configured_.read_features(weights, this->config(), preprocessor()), configured_.rule);
  set_labels(config.num_classes, config.labels);
  return config;
}

BEIT_COLD BEIT_INLINE void Loading::set_labels(Index classes, std::vector<std::string>& labels) const {
  if (!files_.labels.empty() && options_.labels.empty()) labels = files_.labels;
  if (options_.labels.empty()) return;
  if (static_cast<Index>(options_.labels.size()) != classes) {
    throw ArgumentError(concat({loader_, ": labels: found ", options_.labels.size(), " names, wanted ",
                                classes > 0 ? std::to_string(classes) : "none"}));
  }
  labels = options_.labels;
}

BEIT_COLD BEIT_INLINE MaskedImageConfig Loading::masked_image_config() const {
  const WeightScope weights = names_.root(executor_);
  MaskedImageConfig config{configured_.read_features(weights, this->config(), preprocessor())};
  config.vocab_size = rows_of(weights, "lm_head.weight");
  FieldsAgainstShapes{this->config(), weights}.integer("vocab_size", config.vocab_size, "lm_head.weight");
  return config;
}

BEIT_COLD BEIT_INLINE JsonField Loading::preprocessor() const {
  const JsonField alone(preprocessor_, files_.preprocessor.where), nested(processor_, files_.processor.where);
  const bool read = configured_.has_processor || files_.carried;  // timm ignores transformers' file in a folder
  if (options_.preprocessing || !read) return alone.missing();
  for (const JsonField& file : {nested, alone}) {
    if (const JsonField inner = file["image_processor"]; inner.present()) return inner;
  }
  if (!alone.present() && configured_.has_processor) {
    throw ConfigError(concat({files_.name,
                              ": found neither preprocessor_config.json nor image_processor in processor_config.json, "
                              "wanted one of them beside the weights, or LoadOptions::preprocessing"}));
  }
  return alone;
}

BEIT_COLD BEIT_INLINE Size Loading::wanted_image_size(Size unit, const char* unit_name) const {
  const Size size = options_.image_size, grid = options_.grid, most{max_model_side, max_model_side};
  if (grid != Size{} && size != Size{}) {
    throw ArgumentError(concat(
        {loader_, ": found image_size ", size_text(size), " and grid ", size_text(grid), ", wanted one of the two"}));
  }
  if (grid != Size{}) {
    const Size largest{max_model_side / unit.height, max_model_side / unit.width};
    if (grid.height >= 1 && grid.width >= 1 && grid.height <= largest.height && grid.width <= largest.width) {
      return {grid.height * unit.height, grid.width * unit.width};
    }
    throw ArgumentError(concat({loader_, ": found grid ", size_text(grid), ", wanted 1x1 to ", size_text(largest)}));
  }
  if (size == Size{}) return {};
  if (size.height > most.height || size.width > most.width) {
    throw ArgumentError(
        concat({loader_, ": found image size ", size_text(size), ", wanted at most ", size_text(most)}));
  }
  const auto below = [](Index side, Index step) { return std::max<Index>(side / step, 1) * step; };
  const auto above = [](Index side, Index step) { return std::max<Index>((side + step - 1) / step, 1) * step; };
  const Size smaller{below(size.height, unit.height), below(size.width, unit.width)};
  const Size larger{above(size.height, unit.height), above(size.width, unit.width)};
  if (size == smaller) return size;
  throw ArgumentError(concat({loader_, ": found image size ", size_text(size), ", wanted a multiple of ", unit_name,
                              " ", size_text(unit), ": the nearest ",
                              smaller == larger ? concat({"is ", size_text(larger)})
                                                : concat({"are ", size_text(smaller), " and ", size_text(larger)})}));
}

BEIT_COLD BEIT_INLINE void Loading::set_preprocessing(Size size, Preprocessing& preprocessing) const {
  if (options_.preprocessing && options_.preprocessing->input_size != size) {
    const std::string& where = options_.preprocessing_where;
    throw ArgumentError(concat(
        {where.empty() ? concat({loader_, ": found preprocessing for an input_size of "}) : concat({where, ": found "}),
         size_text(options_.preprocessing->input_size), ", wanted the model's image size ", size_text(size)}));
  }
  if (options_.preprocessing) preprocessing = *options_.preprocessing;
  if (options_.pass_order) preprocessing.pass_order = *options_.pass_order;
}

BEIT_COLD BEIT_INLINE ResampledWeights Loading::fit(TrunkConfig& config) const {
  Size trained{};
  if (options_.image_size != Size{} || options_.grid != Size{}) {
    config.check();
    trained = config.grid();
    const Size size = wanted_image_size(config.patch_size, "the patch size");
    config.preprocessing.resize_to = scaled_resize_to(config.preprocessing, size);
    config.image_size = config.preprocessing.input_size = size;
  }
  set_preprocessing(config.image_size, config.preprocessing);
  config.check();
  return {names_, trained == Size{} ? config.grid() : trained, config.grid(), configured_.resampling};
}

}  // namespace detail

BEIT_COLD BEIT_INLINE SourceKind inspect(const Source& source) {
  const detail::ModelFiles files = detail::open_model_files(source);
  const WeightReader reader(files.weights, files.name);
  const detail::ModelKind* const kind = detail::kind_of(TimmNames(reader, detail::publisher_of(reader).names));
  return kind == nullptr ? SourceKind{"no model", "", false} : SourceKind{kind->name, kind->loader, kind->trunk};
}

template <typename Weight>
Beit<Weight> load(const Source& source, const LoadOptions& options) {
  const detail::Loading loading("load", source, options);
  return loading.make<Beit<Weight>>(loading.classifier_config());
}

template <typename Weight>
MaskedImageModel<Weight> load_masked_image_model(const Source& source, const LoadOptions& options) {
  const detail::Loading loading("load_masked_image_model", source, options);
  return loading.make<MaskedImageModel<Weight>>(loading.masked_image_config());
}

template <typename Weight>
SegmentationModel<Weight> load_segmentation_model(const Source& source, const LoadOptions& options) {
  const detail::Loading loading("load_segmentation_model", source, options);
  return loading.make_segmentation_model<Weight>(loading.segmentation_config());
}

}  // namespace beit::inline BEIT_ABI

#include <beit/model/load_tokenizer_impl.hpp>
