// How a model is loaded.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <beit/core/executor.hpp>
#include <beit/core/index.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/image/transform.hpp>

namespace beit::inline BEIT_ABI {

/// The options of load, load_masked_image_model, load_tokenizer and of load_any and its kin. Where it says which of
/// them takes an option, the others throw ArgumentError when it is given.
struct LoadOptions {
  /// Height and width, in pixels, of the images that the model is used for: multiples of the size of a patch, or of the
  /// tokenizer's pixels per token. A model's positions are resampled as timm's set_input_size does it. 0 x 0: the size
  /// that the file says.
  Size image_size{};
  /// The same in patches or tokens down and across. ArgumentError beside image_size.
  Size grid{};
  /// For load: the trunk alone, whatever the head in the file. forward then gives the pooled features.
  bool features_only = false;
  /// The level of kernels to run on; ArgumentError where this processor hasn't it. None: the best that it has, or that
  /// the environment's BEIT_ISA allows.
  std::optional<Isa> isa{};
  /// The pool that packs the weights and that the model runs on where a call names no workspace; it must outlive the
  /// model. Any WorkPool converts to it: `{.executor = pool}`. None: default_thread_pool().
  std::optional<Executor> executor{};
  /// For load: the names of the classes, in place of those of the file; as many as the model has classes.
  std::vector<std::string> labels{};
  /// How images are brought to the model, in place of what the file says. Its input_size must be the model's.
  std::optional<Preprocessing> preprocessing{};
  /// For load_any and its kin: what the matrices are stored and multiplied in. None: Precision::float32. Elsewhere the
  /// weight type says it.
  std::optional<Precision> precision{};
  bool encoder = true;  ///< For load_tokenizer: whether to read the file's encoder; it takes no memory otherwise.
  bool decoder = true;  ///< For load_tokenizer: whether to read the file's decoder; it takes no memory otherwise.
};

}  // namespace beit::inline BEIT_ABI
