// Loads models from their files.
#pragma once

#include <string_view>

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/load_options.hpp>
#include <beit/model/masked_image_model.hpp>
#include <beit/model/segmentation_model.hpp>
#include <beit/model/source.hpp>
#include <beit/model/tokenizer.hpp>

namespace beit::inline BEIT_ABI {

/// The kind of model in a file or folder, as its tensors show.
struct SourceKind {
  std::string_view name;    ///< "a masked-image model"; "no model" if it is none that this library knows.
  std::string_view loader;  ///< The function that loads it: "load_masked_image_model". Empty if there is none.
  bool trunk = false;       ///< Whether load reads its trunk with LoadOptions::features_only.
};

/// Says what `source` holds; reads no weights. Throws FileError, WeightError or ConfigError if it can't be opened.
[[nodiscard]] BEIT_INLINE SourceKind inspect(const Source& source);

/// Loads a model.
///
/// `source` is files in memory, or the path of one of:
///   a folder with timm's published pair, `model.safetensors` and `config.json`;
///   a folder of Hugging Face's transformers (BeitForImageClassification, BeitModel, and those of Data2VecVision), with
///   preprocessor_config.json, whole or in shards, by the names of save_pretrained or of transformers 5's state_dict();
///   a file that weights_tools/convert.py or save_with_head wrote;
///   a bare safetensors file with timm's names, whose architecture then follows from its shapes.
/// Names may be mmpretrain's, candle's or Microsoft's of BEiT-3 instead of timm's, and stand under any one prefix
/// (`model.`, `module.`, `backbone.`). A file called model.safetensors is read with the
/// config.json beside it, if there is one. Weights in the file may be float32, float16, bfloat16, of 8 bits (E4M3,
/// E5M2) or int8 with scales, whatever Weight is: they are rounded or quantised here, on the threads of
/// LoadOptions::executor. Nothing of `source` is needed afterwards. Throws FileError, WeightError or ConfigError, whose
/// message names the file and says what is wrong; ArgumentError for an option that doesn't fit the model.
template <typename Weight = float>
[[nodiscard]] Beit<Weight> load(const Source& source, const LoadOptions& options = {});

/// Loads the masked-image model of BEiT's pre-training from any source that load takes: a folder of transformers'
/// BeitForMaskedImageModeling, or a file with timm's names and "mask_token", "norm" and "lm_head", as convert.py makes
/// it from Microsoft's. Throws the errors that load throws.
template <typename Weight = float>
[[nodiscard]] MaskedImageModel<Weight> load_masked_image_model(const Source& source, const LoadOptions& options = {});

/// Loads a segmentation model from any source that load takes: a folder of transformers' BeitForSemanticSegmentation; a
/// file that convert.py made of it or of Microsoft's .pth; or a bare file with Microsoft's or mmsegmentation's names.
/// Its SegmentationConfig::rule is the publisher's. The auxiliary head, which only training uses, isn't read. Throws
/// the errors that load throws.
template <typename Weight = float>
[[nodiscard]] SegmentationModel<Weight> load_segmentation_model(const Source& source, const LoadOptions& options = {});

/// Loads a tokenizer from a file that weights_tools/convert_tokenizer.py made of DALL-E's encoder.pkl, decoder.pkl or
/// both, or of BEiT v2's VQ-KD; its tensors tell which, and determine the size. Throws the errors that load throws.
template <typename Weight = float>
[[nodiscard]] Tokenizer<Weight> load_tokenizer(const Source& source, const LoadOptions& options = {});

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/load_impl.hpp>
#endif
