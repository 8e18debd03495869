// What of an image a model attends to, as numbers a patch and as colours.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "colour_map.hpp"

namespace programs {

/// The mean over the heads of a block's attention weights: (A*N, N) of one image -> (N, N).
inline Eigen::MatrixXd mean_of_heads(const beit::Matrix& weights) {
  const beit::Index tokens = weights.cols(), heads = weights.rows() / tokens;
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(tokens, tokens);
  for (beit::Index head = 0; head < heads; ++head) {
    sum += weights.map().middleRows(head * tokens, tokens).cast<double>();
  }
  return sum / static_cast<double>(heads);
}

/// Attention rollout through all blocks: the product of their mean attention, to each of which the residual connection
/// adds the identity; rows are normalised. An entry a block, (A*N, N), the first block first -> (N, N): row i says how
/// much of each input token reaches token i. Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers",
/// 2020.
inline Eigen::MatrixXd attention_rollout(const std::vector<beit::Matrix>& blocks) {
  const beit::Index tokens = blocks.front().cols();
  Eigen::MatrixXd result = Eigen::MatrixXd::Identity(tokens, tokens);
  for (const beit::Matrix& weights : blocks) {
    Eigen::MatrixXd step = mean_of_heads(weights) + Eigen::MatrixXd::Identity(tokens, tokens);
    step.array().colwise() /= step.rowwise().sum().array().eval();
    result = (step * result).eval();
  }
  return result;
}

/// Numbers on a grid of patches, (Gh, Gw), as a smooth surface over a picture: at the centre of a patch its number,
/// bilinear between.
class PatchMap {
 public:
  PatchMap(std::vector<double> values, beit::Size grid, beit::Size picture)
      : values_(std::move(values)),
        smallest_(*std::min_element(values_.begin(), values_.end())),
        largest_(*std::max_element(values_.begin(), values_.end())),
        grid_(grid),
        picture_(picture) {}

  double at(beit::Index y, beit::Index x) const {
    const auto [top, bottom, down] = neighbours(y, picture_.height, grid_.height);
    const auto [left, right, across] = neighbours(x, picture_.width, grid_.width);
    const double above = (1 - across) * value(top, left) + across * value(top, right);
    const double below = (1 - across) * value(bottom, left) + across * value(bottom, right);
    return (1 - down) * above + down * below;
  }

  double smallest() const { return smallest_; }
  double largest() const { return largest_; }
  /// 0 for the smallest of the numbers, 1 for the largest.
  double share(double value) const {
    return largest() > smallest() ? (value - smallest()) / (largest() - smallest()) : 0.0;
  }

 private:
  struct Neighbours {
    beit::Index before, after;
    double weight;  // of `after`
  };
  static Neighbours neighbours(beit::Index pixel, beit::Index pixels, beit::Index patches) {
    const double place =
        (static_cast<double>(pixel) + 0.5) * static_cast<double>(patches) / static_cast<double>(pixels);
    const double inside = std::clamp(place - 0.5, 0.0, static_cast<double>(patches - 1));
    const auto before = static_cast<beit::Index>(inside);
    return {before, std::min(before + 1, patches - 1), inside - static_cast<double>(before)};
  }
  double value(beit::Index row, beit::Index col) const {
    return values_[static_cast<std::size_t>(row * grid_.width + col)];
  }

  std::vector<double> values_;  // (Gh, Gw)
  double smallest_, largest_;
  beit::Size grid_, picture_;
};

/// `colour` over the pixel p (3) of an image, which is in grey: from dark to light grey, because black and white would
/// take the colours away.
inline Colour over_grey(Colour colour, const std::uint8_t* p) {
  constexpr double opacity = 0.65;
  const auto grey = static_cast<std::uint8_t>(64 + (299 * p[0] + 587 * p[1] + 114 * p[2]) * 160 / 255'000);
  return blend(colour, {grey, grey, grey}, opacity);
}

}  // namespace programs
