// The options for loading a model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <beit/core/executor.hpp>
#include <beit/core/index.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/progress.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/image/pass_order.hpp>
#include <beit/image/transform.hpp>

namespace beit::inline BEIT_ABI {

/// The options of load, load_masked_image_model, load_segmentation_model, load_tokenizer, and of load_any and its kin.
/// If an option names the functions that take it, the others throw ArgumentError when it is set.
struct LoadOptions {
  /// Height and width, in pixels, of the images that the model is used for: multiples of the size of a patch, or of the
  /// tokenizer's pixels per token. Positions are resampled as by timm's set_input_size, or as by transformers for its
  /// folders. 0 x 0: the size in
  /// the file.
  Size image_size{};
  /// The image size as a grid of patches or tokens. ArgumentError if image_size is set, too.
  Size grid{};
  /// For load: whether to load only the trunk, whatever head the file has. forward then returns the pooled features.
  /// A masked-image model's are those of AnyMaskedImageModel::forward_features, which says whose norm they have.
  bool features_only = false;
  /// The level of kernels to run on; ArgumentError if this processor lacks it. None: the best that it has, or that the
  /// environment variable BEIT_ISA allows.
  std::optional<Isa> isa{};
  /// The pool that packs the weights and that runs the model in calls without a workspace; it must outlive the model.
  /// Any WorkPool converts to it: `{.executor = pool}`. None: default_thread_pool().
  std::optional<Executor> executor{};
  /// Is called before each tensor of the file is read, with its name in the file, and when all are read. Tensors that
  /// the model doesn't need count as done.
  OnProgress on_progress{};
  /// For load and load_segmentation_model: the names of the classes, which replace the file's; as many as the model has
  /// classes. read_labels reads them from a file.
  std::vector<std::string> labels{};
  /// The preprocessing of images, which replaces the file's. Its input_size must be the model's.
  std::optional<Preprocessing> preprocessing{};
  /// The file and key of that preprocessing's size, which messages name; empty: the name of the loading function.
  std::string preprocessing_where{};
  /// The order of the resize's passes, which replaces that of the preprocessing.
  std::optional<PassOrder> pass_order{};
  /// For load_any and its kin: the precision in which matrices are stored and multiplied. None: Precision::float32.
  /// Elsewhere the weight type determines it.
  std::optional<Precision> precision{};
  bool encoder = true;  ///< For load_tokenizer: whether to read the file's encoder; it takes no memory otherwise.
  bool decoder = true;  ///< For load_tokenizer: whether to read the file's decoder; it takes no memory otherwise.
};

}  // namespace beit::inline BEIT_ABI
