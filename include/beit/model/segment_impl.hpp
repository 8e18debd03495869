// The definitions of segment.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/resize_opencv.hpp>
#include <beit/image/transform.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/preprocess.hpp>
#include <beit/model/segment.hpp>
#include <beit/model/sliding_windows.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/resize_bilinear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The classes of which one is the largest between two neighbouring pixels of logits. There are few, so that the many
/// pixels of an image between the two needn't compare all classes.
class Contenders {
 public:
  /// Takes memory for so many classes from the frame.
  Contenders(Arena::Frame& frame, Index classes) : classes_(classes), numbers_(frame.take<Index>(classes)) {}

  /// Finds them between a and b, (classes,), which must stay where they are.
  void find(const float* a, const float* b) {
    a_ = a;
    b_ = b;
    // No class falls below the smaller of its two logits or exceeds the larger, but for three roundings of each, which
    // the margin exceeds for both.
    const Eigen::Map<const Eigen::ArrayXf> left(a, classes_), right(b, classes_);
    const float largest = left.abs().max(right.abs()).maxCoeff();
    const float margin = 8 * std::numeric_limits<float>::epsilon() * largest + std::numeric_limits<float>::min();
    const float least = left.min(right).maxCoeff() - margin;
    count_ = 0;
    for (Index k = 0; k < classes_; ++k) {
      numbers_[count_] = k;
      count_ += std::max(a[k], b[k]) >= least ? 1 : 0;
    }
  }

  /// The class of the largest of left * a + right * b, the first of equals; left + right = 1, neither below 0.
  std::uint16_t largest(float left, float right) const {
    Index best = numbers_[0];
    float most = left * a_[best] + right * b_[best];
    for (Index i = 1; i < count_; ++i) {
      const Index k = numbers_[i];
      const float value = left * a_[k] + right * b_[k];
      if (value > most) {
        most = value;
        best = k;
      }
    }
    return static_cast<std::uint16_t>(best);
  }

 private:
  Index classes_, count_ = 0;
  Index* numbers_;  // (count_,), ascending
  const float *a_ = nullptr, *b_ = nullptr;
};

/// Labels the pixels of an image of the size `to` by logits of the size `from`: line_of(y, line) writes line y of them,
/// (W, classes), and is called from several threads at once. A few lines are in memory at a time.
template <typename LineOf>
LabelMap label_lines(Size from, Size to, Index classes, Workspace& workspace, const LineOf& line_of) {
  constexpr Index band = 32;  // lines of the image that a task labels
  LabelMap map{to, std::vector<std::uint16_t>(static_cast<std::size_t>(to.area()))};
  std::vector<LinearTap> columns;
  for (Index x = 0; x < to.width; ++x) columns.push_back(LinearTap::at(x, from.width, to.width));
  const Index length = memory_size({from.width, classes});
  workspace.executor().for_each(ceil_div(to.height, band), [&](Index task, Index slot) {
    Arena::Frame frame(workspace.arena(slot));
    std::array<float*, 2> lines{frame.take<float>(length), frame.take<float>(length)};
    std::array<Index, 2> numbers{-1, -1};  // of the lines
    float* const between = frame.take<float>(length);
    Contenders contenders(frame, classes);
    for (Index y = task * band; y < std::min(to.height, (task + 1) * band); ++y) {
      const LinearTap row = LinearTap::at(y, from.height, to.height);
      if (numbers[1] == row.first) {
        std::swap(numbers[0], numbers[1]);
        std::swap(lines[0], lines[1]);
      }
      const auto line = [&](std::size_t i, Index wanted) {
        if (numbers[i] != wanted) line_of(wanted, lines[i]);
        numbers[i] = wanted;
        return lines[i];
      };
      const float* const above = line(0, row.first);
      const float* const below = row.second == row.first ? above : line(1, row.second);
      for (Index i = 0; i < length; ++i) between[i] = (1 - row.weight) * above[i] + row.weight * below[i];
      std::uint16_t* const out = map.values.data() + y * to.width;
      Index first = -1;  // of the two pixels of logits
      for (Index x = 0; x < to.width; ++x) {
        const LinearTap& column = columns[static_cast<std::size_t>(x)];
        if (column.first != first) contenders.find(between + column.first * classes, between + column.second * classes);
        first = column.first;
        out[x] = contenders.largest(1 - column.weight, column.weight);
      }
    }
  });
  return map;
}

/// Prepares one image for the model: (1, 3*H*W).
inline Matrix prepared(const AnySegmentationModel& model, const ImageView& image, const Preprocessing& preprocessing,
                       Workspace& workspace) {
  TrunkConfig config = model.config();
  config.preprocessing = preprocessing;
  return preprocess(config, std::span<const ImageView>(&image, 1), workspace, kernels::kernels_of(model.isa()));
}

/// Implements segment by Microsoft's rule.
inline LabelMap segment_by_windows(const AnySegmentationModel& model, const ImageView& image, Workspace& workspace) {
  const SegmentationConfig& config = model.config();
  const Size window = config.image_size, logits_size = config.logits_size();
  require_readable(image);
  const Size size = rescaled_size({image.height, image.width}, window);
  const Image resized = resize_opencv(image, size);
  const Preprocessing of_rule = config.preprocessing_for(SegmentationRule::microsoft);
  const Preprocessing normalising{.input_size = window,
                                  .crop_pct = 1,
                                  .crop_mode = CropMode::squash,
                                  .mean = of_rule.mean,
                                  .std = of_rule.std,
                                  .rescale_factor = of_rule.rescale_factor};
  const std::vector<Index> tops = window_starts(size.height, window.height, 2 * window.height / 3);
  const std::vector<Index> lefts = window_starts(size.width, window.width, 2 * window.width / 3);
  const Index classes = config.num_classes, pixels = logits_size.area();
  Matrix logits(std::ssize(tops) * std::ssize(lefts) * pixels, classes);  // of all windows, line by line
  const auto of_window = [&](std::size_t i, std::size_t j) {
    return static_cast<Index>(i * lefts.size() + j) * pixels;  // its first row
  };
  for (std::size_t i = 0; i < tops.size(); ++i) {
    for (std::size_t j = 0; j < lefts.size(); ++j) {
      ImageView part = resized;
      part.data = part.row(tops[i]) + 3 * lefts[j];
      part.height = window.height;
      part.width = window.width;
      const Matrix x = prepared(model, part, normalising, workspace);
      const Workspace::Part window_of(workspace, static_cast<Index>(i * lefts.size() + j),
                                      std::ssize(tops) * std::ssize(lefts));
      model.forward(x, SegmentationRule::microsoft, workspace, logits.map().middleRows(of_window(i, j), pixels));
    }
  }
  require_finite(logits, "segment: logits");
  const auto merged_line = [&](Index y, float* line) {
    const auto pixel = [&](Index x) { return Eigen::Map<Eigen::ArrayXf>(line + x * classes, classes); };
    std::vector<Index> seen(static_cast<std::size_t>(size.width), 0);  // windows that saw a pixel
    for (std::size_t i = 0; i < tops.size(); ++i) {
      if (y < tops[i] || y >= tops[i] + window.height) continue;
      for (std::size_t j = 0; j < lefts.size(); ++j) {
        const ConstFeatureMap map(logits.map().middleRows(of_window(i, j), pixels), logits_size);
        Index* count = seen.data() + lefts[j];
        resize_bilinear_line(map, window, y - tops[i], line + lefts[j] * classes, classes,
                             [&](auto to, const auto& value) {
                               if ((*count++)++ == 0) {
                                 to = value;
                               } else {
                                 to += value;
                               }
                             });
      }
    }
    for (Index x = 0; x < size.width; ++x) {
      const Index count = seen[static_cast<std::size_t>(x)];
      if (count > 1) pixel(x) /= static_cast<float>(count);
    }
  };
  return label_lines(size, {image.height, image.width}, classes, workspace, merged_line);
}

}  // namespace detail

BEIT_INLINE LabelMap segment(const AnySegmentationModel& model, const ImageView& image,
                             const SegmentationOptions& options, Workspace& workspace) {
  if (options.as.value_or(model.config().rule) == SegmentationRule::microsoft) {
    return detail::segment_by_windows(model, image, workspace);
  }
  const Matrix logits = segmentation_logits(model, image, workspace);
  return label_map(logits, model.config().logits_size(), {image.height, image.width}, workspace);
}

BEIT_INLINE Matrix segmentation_logits(const AnySegmentationModel& model, const ImageView& image,
                                       Workspace& workspace) {
  const SegmentationConfig& config = model.config();
  constexpr SegmentationRule rule = SegmentationRule::transformers;
  Matrix logits(config.logits_size().area(), config.num_classes);
  const Matrix x = detail::prepared(model, image, config.preprocessing_for(rule), workspace);
  model.forward(x, rule, workspace, logits);
  return logits;
}

BEIT_INLINE LabelMap label_map(const ConstRows& logits, Size from, Size to, Workspace& workspace) {
  const Index classes = logits.cols();
  const auto possible = [](Size size) {  // so that its area doesn't overflow
    return std::min(size.height, size.width) >= 1 && std::max(size.height, size.width) <= detail::max_image_side;
  };
  if (!possible(from) || !possible(to) || from.area() != logits.rows() || classes < 1 || classes > 65536) {
    throw ArgumentError(detail::concat({"label_map: found logits ", shape_text(logits.rows(), classes), " for ",
                                        detail::size_text(from), " pixels and an image of ", detail::size_text(to),
                                        ", wanted a row of 1 to 65536 classes for each pixel, and sides of 1 to ",
                                        detail::max_image_side}));
  }
  require_finite(logits, "segment: logits");
  return detail::label_lines(from, to, classes, workspace, [&](Index y, float* line) {
    for (Index x = 0; x < from.width; ++x) {
      std::copy_n(logits.data() + (y * from.width + x) * logits.outerStride(), classes, line + x * classes);
    }
  });
}

}  // namespace beit::inline BEIT_ABI
