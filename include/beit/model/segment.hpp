// From an image to the class of each of its pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/index.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/model/segmentation_model.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The options of segment.
struct SegmentationOptions {
  /// The publisher whose numbers are wanted. None: the model's own rule, SegmentationConfig::rule.
  std::optional<SegmentationRule> as{};
};

/// The class of each pixel of an image.
struct LabelMap {
  Size size{};                          ///< Height and width, in pixels.
  std::vector<std::uint16_t> values{};  ///< (height * width,), row by row; each is below the number of classes.

  /// The class of a pixel, unchecked.
  std::uint16_t operator()(Index y, Index x) const { return values[static_cast<std::size_t>(y * size.width + x)]; }
};

/// Returns the class of each pixel of an image, at the image's own size: the class of the largest logit, the lowest
/// among equals. Logits are resized by bilinear interpolation (torch's interpolate without align_corners) a few rows at
/// a time, so that they are never in memory at the size of the image.
///
/// SegmentationRule::transformers is BeitImageProcessor, BeitForSemanticSegmentation and
/// post_process_semantic_segmentation with the image's size. SegmentationRule::microsoft is mmsegmentation's
/// slide_inference with the published settings: the image is resized as by OpenCV, keeping its ratio, until its shorter
/// side is the model's size; windows of that size, two thirds of it apart, are resized to the window, added, and
/// divided by the number of windows that saw a pixel; these are resized to the image. ImageError for an image that
/// can't be resized or, by Microsoft's rule, is more than four times as long as wide; ArgumentError where a logit isn't
/// finite, or where the rule wants more blocks than the model has.
[[nodiscard]] BEIT_INLINE LabelMap segment(const AnySegmentationModel& model, const ImageView& image,
                                           const SegmentationOptions& options, Workspace& workspace);
/// Does so without a workspace, on the model's executor.
[[nodiscard]] inline LabelMap segment(const AnySegmentationModel& model, const ImageView& image,
                                      const SegmentationOptions& options = {}) {
  Workspace workspace(model.executor());
  return segment(model, image, options, workspace);
}

/// Returns the logits of one image, squashed to the model's size, by the preprocessing of
/// SegmentationRule::transformers and with its blocks: (h*w, K), (h, w) = model.config().logits_size(). label_map makes
/// labels of them.
[[nodiscard]] BEIT_INLINE Matrix segmentation_logits(const AnySegmentationModel& model, const ImageView& image,
                                                     Workspace& workspace);

/// Returns the class of the largest logit of each pixel after resizing logits (h*w, K), (h, w) = `from`, to `to`.
/// ArgumentError for a wrong shape, an impossible size, or where a logit isn't finite.
[[nodiscard]] BEIT_INLINE LabelMap label_map(const ConstRows& logits, Size from, Size to, Workspace& workspace);

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/segment_impl.hpp>
#endif
