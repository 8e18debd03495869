// Views of feature maps, which convolutional layers read and write.
#pragma once

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A feature map of one image that is written: channels last, one row of `pixels` per pixel, line by line. Rows may be
/// further apart than their channels: maps that are to be concatenated are slices of one map.
struct FeatureMap {
  Rows pixels;  ///< (H*W, C).
  Size size;    ///< (H, W).

  /// The number of channels.
  Index channels() const { return pixels.cols(); }
  /// The channels [first, first + count).
  FeatureMap slice(Index first, Index count) { return {pixels.middleCols(first, count), size}; }
  /// The pixel at line y and column x: (C,).
  float* pixel(Index y, Index x) { return pixels.data() + (y * size.width + x) * pixels.outerStride(); }
};

/// A feature map of one image that is read.
struct ConstFeatureMap {
  ConstRows pixels;  ///< (H*W, C).
  Size size;         ///< (H, W).

  /// Views pixels (H*W, C) of the size (H, W).
  ConstFeatureMap(const ConstRows& of_pixels, Size of_size) : pixels(of_pixels), size(of_size) {}
  /// Views what can be written, too.
  ConstFeatureMap(const FeatureMap& map) : pixels(map.pixels), size(map.size) {}

  /// The number of channels.
  Index channels() const { return pixels.cols(); }
  /// The channels [first, first + count).
  ConstFeatureMap slice(Index first, Index count) const { return {pixels.middleCols(first, count), size}; }
  /// The pixel at line y and column x: (C,).
  const float* pixel(Index y, Index x) const { return pixels.data() + (y * size.width + x) * pixels.outerStride(); }
};

namespace detail {

/// Throws ArgumentError unless `found` is at least as high and as wide as `least`; `layer` begins the message.
inline void require_pixels(Size found, Size least, const char* layer) {
  if (found.height >= least.height && found.width >= least.width) return;
  throw ArgumentError(concat({layer, ": found ", found.height, " x ", found.width, " pixels, wanted at least ",
                              least.height, " x ", least.width}));
}

}  // namespace detail

/// Takes memory for a feature map without gaps from the frame.
[[nodiscard]] inline FeatureMap feature_map(Workspace::Frame& frame, Size size, Index channels) {
  return {frame.rows(size.area(), channels), size};
}

}  // namespace beit::inline BEIT_ABI
