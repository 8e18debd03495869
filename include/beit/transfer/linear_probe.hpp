// Logistic regression on features: a new head for a model, trained in seconds.
//
// <beit/beit.hpp> doesn't include this header, because it needs another library: LBFGS++ (Debian: liblbfgspp-dev).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#endif
#include <LBFGS.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>
#include <beit/transfer/labels.hpp>
#include <beit/transfer/row_products.hpp>

namespace beit::inline BEIT_ABI {

/// How a LinearProbe is trained.
struct LinearProbeOptions {
  /// Inverse strength of the penalty: scikit-learn's C.
  double C = 1;
  /// Whether to train on features scaled to mean 0 and variance 1; the weights are still for the features as they are.
  bool standardise = false;
  /// Weight of each class, (K,): how much one of its rows counts. Empty for 1 each.
  std::vector<double> class_weights{};
  /// Number of evaluations of the objective after which the search ends, converged or not.
  int max_evaluations = 1000;
  /// The norm of the gradient, as a mean over the rows, at which the search has converged.
  double tolerance = 1e-7;
};

namespace detail {

/// The objective of LinearProbe and its gradient at [W (K, d) row-major, b (K,)], both divided by n.
class ProbeObjective {
 public:
  /// `x` and `y` must outlive the objective.
  ProbeObjective(const Matrix& x, std::span<const Index> y, Index classes, const LinearProbeOptions& options,
                 const Executor& executor)
      : x_(&x),
        rows_(x, executor),
        columns_(x, executor, true),
        y_(y),
        workspace_(executor),
        n_(x.rows()),
        dim_(x.cols()),
        classes_(classes),
        penalty_(1 / (options.C * static_cast<double>(x.rows()))),
        class_weights_(options.class_weights),
        weights_(classes, dim_),
        logits_(classes, n_),
        gradient_(classes, dim_) {
    if (class_weights_.empty()) class_weights_.assign(static_cast<std::size_t>(classes), 1.0);
  }

  /// Computes the logits of the weights `at` in double. From then on, single precision multiplies only the difference
  /// of weights from these: near `at`, values and gradients have more digits.
  void centre(const Eigen::VectorXd& at) {
    centre_ = at;
    centre_logits_.resize(classes_, n_);
    const Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> weights(
        at.data(), classes_, dim_);
    workspace_.executor().for_each(detail::ceil_div(n_, block), [&](Index item, Index) {
      const Index begin = item * block, count = std::min(block, n_ - begin);
      centre_logits_.middleCols(begin, count).noalias() =
          weights * x_->map().middleRows(begin, count).cast<double>().transpose();
    });
  }

  double operator()(const Eigen::VectorXd& at, Eigen::VectorXd& gradient) {
    const Index size = classes_ * dim_;
    for (Index i = 0; i < size; ++i) {
      weights_.data()[i] = static_cast<float>(centred() ? at[i] - centre_[i] : at[i]);
    }
    rows_.forward(weights_, workspace_, logits_);

    // Each task takes some rows, and puts the gradient by their logits in the place of these.
    const Index blocks = detail::ceil_div(n_, block);
    std::vector<double> losses(static_cast<std::size_t>(blocks));
    Eigen::MatrixXd bias_gradients = Eigen::MatrixXd::Zero(classes_, blocks);
    workspace_.executor().for_each(blocks, [&](Index item, Index) {
      std::vector<double> p(static_cast<std::size_t>(classes_));
      for (Index i = item * block; i < std::min(n_, (item + 1) * block); ++i) {
        const Index label = y_[static_cast<std::size_t>(i)];
        for (Index k = 0; k < classes_; ++k) {
          p[index(k)] = static_cast<double>(logits_(k, i)) + at[size + k] + (centred() ? centre_logits_(k, i) : 0);
        }
        const double largest = *std::max_element(p.begin(), p.end()), own = p[index(label)];
        double sum = 0;
        for (double& value : p) sum += value = std::exp(value - largest);
        const double weight = class_weights_[index(label)] / static_cast<double>(n_);
        losses[index(item)] -= weight * (own - largest - std::log(sum));
        for (Index k = 0; k < classes_; ++k) {
          const double slope = weight * (p[index(k)] / sum - (k == label ? 1 : 0));
          bias_gradients(k, item) += slope;
          logits_(k, i) = static_cast<float>(slope);
        }
      }
    });

    columns_.forward(logits_, workspace_, gradient_);
    for (Index i = 0; i < size; ++i) gradient[i] = static_cast<double>(gradient_.data()[i]) + penalty_ * at[i];
    gradient.tail(classes_) = bias_gradients.rowwise().sum();
    return std::accumulate(losses.begin(), losses.end(), 0.0) + penalty_ / 2 * at.head(size).squaredNorm();
  }

 private:
  static constexpr Index block = 256;  // rows per task
  static std::size_t index(Index i) { return static_cast<std::size_t>(i); }
  bool centred() const { return centre_.size() > 0; }

  const Matrix* x_;             // (n, d)
  RowProducts rows_, columns_;  // products with the rows of x and with its columns
  std::span<const Index> y_;    // (n,)
  Workspace workspace_;
  Index n_, dim_, classes_;
  double penalty_;
  std::vector<double> class_weights_;  // (K,)
  Matrix weights_;                     // (K, d)
  Matrix logits_;                      // (K, n), and then the gradient by them
  Matrix gradient_;                    // (K, d)
  Eigen::VectorXd centre_;             // W and b, or empty
  Eigen::MatrixXd centre_logits_;      // (K, n), of the centre's W
};

}  // namespace detail

/// Multinomial logistic regression: logits = x W^T + b, trained to minimise
///
///     sum_i w[y_i] * -log softmax(logits_i)[y_i] + |W|^2 / (2 C)
///
/// which is the objective of scikit-learn's LogisticRegression (penalty "l2", multi_class "multinomial"): the bias
/// isn't penalised. L-BFGS (https://lbfgspp.statr.me) minimises it, with sums in double and products in single
/// precision. Equal arguments give the same bits for any number of threads on one level of kernels.
class LinearProbe {
 public:
  /// Trains on x (n, d) and its labels y (n,), from 0 to classes - 1. ArgumentError where shapes, labels or options are
  /// wrong, or where x isn't finite.
  LinearProbe(const ConstRows& x, std::span<const Index> y, Index classes, const LinearProbeOptions& options = {},
              const Executor& executor = default_thread_pool())
      : weight_(classes, x.cols()), bias_(static_cast<std::size_t>(std::max<Index>(classes, 0))) {
    check(x, y, classes, options);
    solution_ = Eigen::VectorXd::Zero(weight_.size() + classes);
    train(x, y, options, executor);
  }
  /// Trains a probe of the same d and classes, with a search that begins where that of `start` ended: faster where x or
  /// the options differ little.
  LinearProbe(const ConstRows& x, std::span<const Index> y, const LinearProbe& start,
              const LinearProbeOptions& options = {}, const Executor& executor = default_thread_pool())
      : solution_(start.solution_), weight_(start.weight_.rows(), x.cols()), bias_(start.bias_.size()) {
    require_shape(x, x.rows(), start.weight_.cols(), "LinearProbe: x");
    check(x, y, weight_.rows(), options);
    train(x, y, options, executor);
  }

  const Matrix& weight() const { return weight_; }          ///< (K, d), as timm's head.weight.
  const std::vector<float>& bias() const { return bias_; }  ///< (K,), as timm's head.bias.
  /// Whether the gradient came down to the tolerance: false where max_evaluations, or the precision, ended the search
  /// before.
  bool converged() const { return converged_; }

  /// x (m, d) -> (m, K).
  [[nodiscard]] Matrix logits(const ConstRows& x) const {
    require_shape(x, x.rows(), weight_.cols(), "LinearProbe: x");
    Matrix out(x.rows(), weight_.rows());
    out.map().noalias() = x * weight_.map().transpose();
    out.map().rowwise() += Eigen::Map<const Eigen::RowVectorXf>(bias_.data(), weight_.rows());
    return out;
  }
  /// The most probable class of each row: x (m, d) -> (m,).
  [[nodiscard]] std::vector<Index> predict(const ConstRows& x) const { return detail::best_classes(logits(x)); }

 private:
  /// Searches from solution_, and makes weight_ and bias_ of what it finds.
  void train(const ConstRows& x, std::span<const Index> y, const LinearProbeOptions& options,
             const Executor& executor) {
    const Index classes = weight_.rows(), size = weight_.size();
    // The columns are centred in any case: the bias takes their means up, and single precision goes further.
    const double count = static_cast<double>(x.rows());
    Eigen::VectorXd mean(x.cols()), scale = Eigen::VectorXd::Ones(x.cols());
    Matrix scaled(x.rows(), x.cols());
    for (Index j = 0; j < x.cols(); ++j) {
      mean[j] = x.col(j).cast<double>().sum() / count;
      const double variance = (x.col(j).cast<double>().array() - mean[j]).square().sum() / count;
      if (options.standardise && variance > 0) scale[j] = 1 / std::sqrt(variance);  // a constant column stays 0
      scaled.map().col(j) = ((x.col(j).cast<double>().array() - mean[j]) * scale[j]).cast<float>();
    }
    detail::ProbeObjective objective(scaled, y, classes, options, executor);
    minimise(objective, options);

    // (x - mean) * scale W^T + b = x (W * scale)^T + (b - (W * scale) mean)
    for (Index k = 0; k < classes; ++k) {
      double bias = solution_[size + k];
      for (Index j = 0; j < x.cols(); ++j) {
        const double weight = solution_[k * x.cols() + j] * scale[j];
        weight_(k, j) = static_cast<float>(weight);
        bias -= weight * mean[j];
      }
      bias_[static_cast<std::size_t>(k)] = static_cast<float>(bias);
    }
  }

  static void check(const ConstRows& x, std::span<const Index> y, Index classes, const LinearProbeOptions& options) {
    if (x.rows() < 1 || x.cols() < 1) {
      throw ArgumentError(
          detail::concat({"LinearProbe: x: found shape ", shape_text(x.rows(), x.cols()), ", wanted rows"}));
    }
    if (classes < 2) {
      throw ArgumentError(detail::concat({"LinearProbe: found ", classes, " classes, wanted at least 2"}));
    }
    detail::require_labels(y, x.rows(), classes, "LinearProbe");
    require_finite(x, "LinearProbe: x");
    if (!(options.C > 0 && std::isfinite(options.C)) || options.max_evaluations < 1 || !(options.tolerance > 0)) {
      throw ArgumentError(detail::concat({"LinearProbe: found C ", std::to_string(options.C), ", max_evaluations ",
                                          options.max_evaluations, ", tolerance ", std::to_string(options.tolerance),
                                          ", wanted positive numbers"}));
    }
    if (!options.class_weights.empty() && static_cast<Index>(options.class_weights.size()) != classes) {
      throw ArgumentError(
          detail::concat({"LinearProbe: found ", options.class_weights.size(), " class weights, wanted ", classes}));
    }
    for (const double weight : options.class_weights) {
      if (!(weight >= 0 && std::isfinite(weight))) {
        throw ArgumentError(
            detail::concat({"LinearProbe: found the class weight ", std::to_string(weight), ", wanted 0 or more"}));
      }
    }
  }

  /// Thrown by the objective to leave LBFGSpp's search, which has no other way out before its own end.
  struct Stalled {};

  void minimise(detail::ProbeObjective& objective, const LinearProbeOptions& options) {
    LBFGSpp::LBFGSParam<double> param;
    param.m = 10;
    param.epsilon_rel = 0;
    param.past = 0;
    param.max_linesearch = 40;
    // This is iterative refinement: a round gains two digits of the gradient, and the next one is centred where it
    // ended. Where single precision no longer tells which of two points is lower, line searches take many steps or
    // fail; the round ends there, at the lowest point seen. The first line search starts with a step of length 1, so it
    // may take many.
    Eigen::VectorXd best, gradient(solution_.size());
    for (int left = options.max_evaluations;;) {
      double lowest = objective(solution_, gradient);
      const double slope = gradient.norm();
      converged_ = slope <= options.tolerance;
      if (converged_ || left <= 0) return;
      best = solution_;
      int evaluations = 1, since_lowest = 0, patience = param.max_linesearch;
      std::exception_ptr failure;  // an error of the objective itself, to be thrown on
      const auto watched = [&](const Eigen::VectorXd& at, Eigen::VectorXd& gradient_there) {
        double value = 0;
        try {
          value = objective(at, gradient_there);
        } catch (...) {
          failure = std::current_exception();
          throw Stalled{};
        }
        ++evaluations;
        if (value < lowest) {
          lowest = value;
          best = at;
          since_lowest = 0;
          patience = 10;
        } else if (++since_lowest > patience) {
          throw Stalled{};
        }
        return value;
      };
      param.epsilon = std::max(options.tolerance / 2, slope * 1e-2);
      param.max_iterations = left;
      try {
        double value = 0;
        LBFGSpp::LBFGSSolver<double>(param).minimize(watched, solution_, value);
      } catch (const Stalled&) {
        solution_ = best;
      } catch (const std::runtime_error&) {  // LBFGSpp's line search found no step
        solution_ = best;
      } catch (const std::logic_error&) {  // LBFGSpp found no way down
        solution_ = best;
      }
      if (failure) std::rethrow_exception(failure);
      left -= evaluations;
      objective.centre(solution_);
    }
  }

  Eigen::VectorXd solution_;  // W and b as they were trained, for centred and perhaps scaled columns
  Matrix weight_;             // (K, d)
  std::vector<float> bias_;   // (K,)
  bool converged_ = false;
};

}  // namespace beit::inline BEIT_ABI
