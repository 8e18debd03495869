// Computes what a model attends to in an image, as one number per patch and as colours.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "colour_map.hpp"

namespace programs {

/// Averages the attention weights of one block over its heads: (A*N, N) for one image -> (N, N).
inline Eigen::MatrixXd mean_of_heads(const beit::Matrix& weights) {
  const beit::Index tokens = weights.cols(), heads = weights.rows() / tokens;
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(tokens, tokens);
  for (beit::Index head = 0; head < heads; ++head) {
    sum += weights.map().middleRows(head * tokens, tokens).cast<double>();
  }
  return sum / static_cast<double>(heads);
}

/// Attention rollout through all blocks: the product, over the blocks, of their mean attention plus the identity (the
/// residual connection), with normalised rows. `blocks` has one entry (A*N, N) per block, from first to last. The
/// result is (N, N); row i says how much of each input token reaches token i. Source: Abnar and Zuidema, "Quantifying
/// Attention Flow in Transformers", 2020.
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

/// Interpolates numbers on a grid of patches, (Gh, Gw), over a picture: the value at the centre of a patch is its
/// number, and bilinear in between.
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
  /// Scales a value so that the smallest number becomes 0 and the largest 1.
  double share(double value) const {
    return largest() > smallest() ? (value - smallest()) / (largest() - smallest()) : 0.0;
  }

 private:
  struct Neighbours {
    beit::Index before, after;
    double weight;  // the weight of `after`
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

/// Blends `colour` over the pixel p (3) of an image, turned to grey. The greys go from dark to light, not from black to
/// white, where colours would be invisible.
inline Colour over_grey(Colour colour, const std::uint8_t* p) {
  constexpr double opacity = 0.65;
  const auto grey = static_cast<std::uint8_t>(64 + (299 * p[0] + 587 * p[1] + 114 * p[2]) * 160 / 255'000);
  return blend(colour, {grey, grey, grey}, opacity);
}

}  // namespace programs
