// The places of the windows in which a model sees an image by Microsoft's rule (SegmentationRule::microsoft).
#pragma once

#include <algorithm>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The first pixels of windows along a side of `length` pixels, as mmsegmentation's slide_inference places them: `step`
/// apart, the last one at the end.
inline std::vector<Index> window_starts(Index length, Index window, Index step) {
  std::vector<Index> starts;
  for (Index start = 0;; start += step) {
    starts.push_back(std::min(start, length - window));
    if (start + window >= length) return starts;
  }
}

/// The size to which mmcv's imrescale resizes an image for windows of this size. ImageError where no window fits into
/// the result.
BEIT_COLD inline Size rescaled_size(Size image, Size window) {
  const auto real = [](Index x) { return static_cast<double>(x); };
  const Index edge = std::max(window.height, window.width);
  const double scale = std::min(real(4 * edge) / real(std::max(image.height, image.width)),
                                real(edge) / real(std::min(image.height, image.width)));
  const auto scaled = [&](Index side) { return static_cast<Index>(real(side) * scale + 0.5); };
  const Size size{scaled(image.height), scaled(image.width)};
  if (size.height >= window.height && size.width >= window.width) return size;
  throw ImageError(concat({"segment: found ", image.height, " x ", image.width,
                           " pixels, wanted at most four times as many along one side as along the other, as "
                           "Microsoft's windows need it"}));
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
