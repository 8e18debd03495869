// Presents convolutions that are followed by batch norms as if they had learnt the norms themselves.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <Eigen/Core>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>

namespace beit::inline BEIT_ABI {

/// A convolution and the batch norm that its result passes (torch.nn.BatchNorm2d, at inference).
struct FoldedNorm {
  std::string convolution;  ///< The prefix of the convolution's names: "weight" and, if it has one, "bias" follow.
  std::string norm;  ///< The prefix of the norm's names: "weight", "bias", "running_mean" and "running_var" follow.
  std::size_t dimension = 0;  ///< Which dimension of the weight counts outputs: 1 for a transposed convolution.
};

/// A decorator that multiplies the weights of convolutions by the factors of their batch norms, in double precision. A
/// convolution then has a bias, whether it had one or not, and there is no norm: no module knows of it.
class BatchNormFolded final : public WeightSource {
 public:
  /// Reads the norms, whose epsilon is torch's, 1e-5. `source` must outlive this. WeightError if a norm's parameter is
  /// missing, mis-shaped or not finite, or a variance is negative; when a convolution is read, if its numbers times the
  /// norm's factors exceed the range of float.
  BEIT_COLD BatchNormFolded(const WeightSource& source, std::span<const FoldedNorm> norms) : source_(source) {
    for (const FoldedNorm& norm : norms) folds_.push_back(fold(norm));
  }

  [[nodiscard]] bool has(const std::string& name) const override {
    for (const Fold& fold : folds_) {
      if (name == fold.bias) return true;
      if (name.starts_with(fold.norm)) return false;
    }
    return source_.has(name);
  }

  [[nodiscard]] std::vector<Index> shape(const std::string& name) const override {
    for (const Fold& fold : folds_) {
      if (name == fold.bias) return {fold.outputs()};
    }
    return source_.shape(name);
  }

  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    for (const Fold& fold : folds_) {
      if (name == fold.bias) return read_bias(fold, shape, begin, count, out);
      if (name == fold.weight) return read_weight(fold, shape, begin, count, out);
    }
    source_.read(name, shape, begin, count, out);
  }

  [[nodiscard]] std::string where(const std::string& name) const override { return source_.where(name); }

 private:
  struct Fold {
    std::string weight, bias, norm;  // names of the convolution's parameters, and the prefix of the norm's
    std::size_t dimension;
    std::vector<double> scales, shifts;  // y * scale + shift, (outputs,)

    Index outputs() const { return static_cast<Index>(scales.size()); }
  };

  BEIT_COLD Fold fold(const FoldedNorm& pair) const {
    constexpr double eps = 1e-5;
    Fold result{pair.convolution + "weight", pair.convolution + "bias", pair.norm, pair.dimension, {}, {}};
    const std::vector<Index> found = source_.shape(pair.norm + "weight"), shape{found.empty() ? 1 : found.front()};
    const auto read = [&](const std::string& name) { return source_.get(name, shape); };
    const AlignedBuffer<float> weight = read(pair.norm + "weight"), bias = read(pair.norm + "bias"),
                               mean = read(pair.norm + "running_mean"), variance = read(pair.norm + "running_var");
    const AlignedBuffer<float> before =
        source_.has(result.bias) ? read(result.bias) : AlignedBuffer<float>();  // the convolution's own bias
    for (Index i = 0; i < weight.size(); ++i) {
      if (variance[i] < 0) {
        throw WeightError(detail::concat({source_.where(pair.norm + "running_var"),
                                          ": found a negative number at element ", i, ", wanted variances"}));
      }
      const double scale = static_cast<double>(weight[i]) / std::sqrt(static_cast<double>(variance[i]) + eps);
      const double own = before.size() > 0 ? static_cast<double>(before[i]) : 0.0;
      result.scales.push_back(scale);
      result.shifts.push_back(static_cast<double>(bias[i]) + (own - static_cast<double>(mean[i])) * scale);
    }
    return result;
  }

  void read_bias(const Fold& fold, std::span<const Index> shape, Index begin, Index count, float* out) const {
    if (shape.size() > 1) fail(fold, fold.bias, shape);
    require_outputs(fold, fold.bias, shape, 0);
    for (Index i = 0; i < count; ++i) {
      const double shift = fold.shifts[static_cast<std::size_t>(begin + i)];
      require_float(fold, begin + i, std::abs(shift));
      out[i] = static_cast<float>(shift);
    }
  }

  void read_weight(const Fold& fold, std::span<const Index> shape, Index begin, Index count, float* out) const {
    source_.read(fold.weight, shape, begin, count, out);
    require_outputs(fold, fold.weight, shape, fold.dimension);
    Index inner = 1;  // elements from one output to the next
    for (std::size_t i = fold.dimension + 1; i < shape.size(); ++i) inner *= shape[i];
    for (Index i = 0; i < count;) {
      const Index run = (begin + i) / inner, end = std::min(count, (run + 1) * inner - begin);  // of one output
      const Index output = run % fold.outputs();
      const double scale = fold.scales[static_cast<std::size_t>(output)];
      const float largest = Eigen::Map<const Eigen::ArrayXf>(out + i, end - i).abs().maxCoeff();
      require_float(fold, output, static_cast<double>(largest) * std::abs(scale));
      for (; i < end; ++i) out[i] = static_cast<float>(static_cast<double>(out[i]) * scale);
    }
  }

  /// WeightError if the largest number of an output doesn't fit into a float.
  void require_float(const Fold& fold, Index output, double largest) const {
    if (largest <= static_cast<double>(std::numeric_limits<float>::max())) return;
    throw WeightError(detail::concat({source_.where(fold.norm + "weight"), ": found a factor at element ", output,
                                      " that makes the numbers of ", fold.weight,
                                      " exceed the range of float, wanted finite numbers"}));
  }

  void require_outputs(const Fold& fold, const std::string& name, std::span<const Index> shape,
                       std::size_t dimension) const {
    if (dimension >= shape.size() || shape[dimension] != fold.outputs()) fail(fold, name, shape);
  }

  [[noreturn]] BEIT_COLD void fail(const Fold& fold, const std::string& name, std::span<const Index> shape) const {
    throw WeightError(detail::concat({source_.where(fold.norm + "weight"), ": found ", fold.outputs(),
                                      " outputs, wanted those of ", name, " ", shape_text(shape)}));
  }

  const WeightSource& source_;
  std::vector<Fold> folds_;
};

}  // namespace beit::inline BEIT_ABI
