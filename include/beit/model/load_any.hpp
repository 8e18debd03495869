// From the files of a model to the model, in a precision that is chosen at run time.
#pragma once

#include <memory>

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/model/any_beit.hpp>
#include <beit/model/load_options.hpp>
#include <beit/model/masked_image_model.hpp>
#include <beit/model/segmentation_model.hpp>
#include <beit/model/source.hpp>
#include <beit/model/tokenizer.hpp>

namespace beit::inline BEIT_ABI {

// Each loads as its namesake without "any" does, in LoadOptions::precision, float32 where that is empty. A program that
// includes this compiles the models in all precisions, which takes four times as long, but with beit::compiled.

/// Loads a model.
[[nodiscard]] BEIT_INLINE std::unique_ptr<const AnyBeit> load_any(const Source& source,
                                                                  const LoadOptions& options = {});
/// Loads a masked-image model.
[[nodiscard]] BEIT_INLINE std::unique_ptr<const AnyMaskedImageModel> load_any_masked_image_model(
    const Source& source, const LoadOptions& options = {});
/// Loads a segmentation model.
[[nodiscard]] BEIT_INLINE std::unique_ptr<const AnySegmentationModel> load_any_segmentation_model(
    const Source& source, const LoadOptions& options = {});
/// Loads a tokenizer.
[[nodiscard]] BEIT_INLINE std::unique_ptr<const AnyTokenizer> load_any_tokenizer(const Source& source,
                                                                                 const LoadOptions& options = {});

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/load_any_impl.hpp>
#endif
