// Choosing the penalty of a LinearProbe, and class weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/transfer/labels.hpp>
#include <beit/transfer/linear_probe.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The log-probability of `label` by the softmax of one row of logits (K,).
inline double log_probability(const float* logits, Index classes, Index label) {
  const double largest = static_cast<double>(*std::max_element(logits, logits + classes));
  double sum = 0;
  for (Index k = 0; k < classes; ++k) sum += std::exp(static_cast<double>(logits[k]) - largest);
  return static_cast<double>(logits[label]) - largest - std::log(sum);
}

}  // namespace detail

/// Class weights with which every class counts the same, scikit-learn's class_weight="balanced": n / (K * rows of the
/// class), (K,); 0 for a class without rows.
[[nodiscard]] inline std::vector<double> balanced_class_weights(std::span<const Index> y, Index classes) {
  detail::require_labels(y, static_cast<Index>(y.size()), classes, "balanced_class_weights");
  std::vector<double> weights(static_cast<std::size_t>(classes), 0.0);
  for (const Index label : y) ++weights[static_cast<std::size_t>(label)];
  for (double& weight : weights) {
    if (weight > 0) weight = static_cast<double>(y.size()) / (static_cast<double>(classes) * weight);
  }
  return weights;
}

/// Deals the rows of each class, shuffled by `seed`, to `folds` parts of nearly the same size: the part of each row,
/// 0 to folds - 1. The result is the same on every system. ArgumentError for fewer than 2 folds.
[[nodiscard]] inline std::vector<Index> stratified_folds(std::span<const Index> y, Index classes, Index folds,
                                                         unsigned seed = 0) {
  if (folds < 2) throw ArgumentError(detail::concat({"stratified_folds: found ", folds, " folds, wanted 2 or more"}));
  detail::require_labels(y, static_cast<Index>(y.size()), classes, "stratified_folds");
  std::vector<std::vector<std::size_t>> rows(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < y.size(); ++i) rows[static_cast<std::size_t>(y[i])].push_back(i);
  std::mt19937 random(seed);
  std::vector<Index> parts(y.size());
  Index next = 0;  // continues from class to class, so that small classes don't all go to the first fold
  for (std::vector<std::size_t>& own : rows) {
    // std::shuffle's order differs between standard libraries.
    for (std::size_t i = own.size(); i > 1; --i) std::swap(own[i - 1], own[random() % i]);
    for (const std::size_t row : own) parts[row] = next++ % folds;
  }
  return parts;
}

/// The results of cross-validation.
struct CrossValidation {
  /// The result for one C.
  struct Trial {
    double C;         ///< The inverse of the penalty's strength.
    double loss;      ///< Mean of -log p[y] over the rows that were held out.
    double accuracy;  ///< Share of these that were classified correctly, 0 to 1.
  };
  std::vector<Trial> trials;  ///< One for each C that was tried, the smallest C first.
  double best_C = 1;          ///< The C with the least loss.
};

namespace detail {

/// One split of the rows.
struct Fold {
  Matrix train, test;  // (n - m, d), (m, d)
  std::vector<Index> train_y, test_y;
  std::optional<LinearProbe> last{};  // trained with the C before: the next training begins there
};

/// Makes a fold for each part, which it holds out.
inline std::vector<Fold> make_folds(const ConstRows& x, std::span<const Index> y, const std::vector<Index>& parts,
                                    Index folds) {
  std::vector<Fold> data;
  for (Index fold = 0; fold < folds; ++fold) {
    const Index held_out = std::count(parts.begin(), parts.end(), fold);
    Fold part{Matrix(x.rows() - held_out, x.cols()), Matrix(held_out, x.cols()), {}, {}};
    for (Index i = 0; i < x.rows(); ++i) {
      const bool test = parts[static_cast<std::size_t>(i)] == fold;
      std::vector<Index>& labels = test ? part.test_y : part.train_y;
      (test ? part.test : part.train).map().row(static_cast<Index>(labels.size())) = x.row(i);
      labels.push_back(y[static_cast<std::size_t>(i)]);
    }
    data.push_back(std::move(part));
  }
  return data;
}

/// Trains on each fold and tests on the rows that it held out; `rows` is their number in all folds.
inline CrossValidation::Trial try_folds(std::vector<Fold>& folds, Index rows, Index classes,
                                        const LinearProbeOptions& options, const Executor& executor) {
  CrossValidation::Trial trial{options.C, 0, 0};
  for (Fold& fold : folds) {
    LinearProbe probe = fold.last ? LinearProbe(fold.train, fold.train_y, *fold.last, options, executor)
                                  : LinearProbe(fold.train, fold.train_y, classes, options, executor);
    const Matrix logits = probe.logits(fold.test);
    for (Index i = 0; i < logits.rows(); ++i) {
      const Index label = fold.test_y[static_cast<std::size_t>(i)];
      const float* row = logits.row(i);
      trial.loss -= log_probability(row, classes, label);
      trial.accuracy += std::max_element(row, row + classes) - row == label;
    }
    fold.last = std::move(probe);
  }
  trial.loss /= static_cast<double>(rows);
  trial.accuracy /= static_cast<double>(rows);
  return trial;
}

}  // namespace detail

/// Tries C = 1e-4, 1e-3 ... 1e4 by stratified cross-validation, until the loss has risen twice; the other options stay
/// as they are. ArgumentError as LinearProbe, and for fewer than 2 folds or fewer rows than folds.
[[nodiscard]] inline CrossValidation cross_validate(const ConstRows& x, std::span<const Index> y, Index classes,
                                                    LinearProbeOptions options, Index folds, unsigned seed,
                                                    const Executor& executor) {
  const std::vector<Index> parts = stratified_folds(y, classes, folds, seed);
  if (x.rows() < folds) {
    throw ArgumentError(detail::concat({"cross_validate: found ", x.rows(), " rows, wanted at least ", folds}));
  }
  std::vector<detail::Fold> data = detail::make_folds(x, y, parts, folds);
  CrossValidation result;
  double least = std::numeric_limits<double>::infinity();
  int rises = 0;
  for (int exponent = -4; exponent <= 4 && rises < 2; ++exponent) {
    options.C = std::pow(10.0, exponent);
    const CrossValidation::Trial trial = detail::try_folds(data, x.rows(), classes, options, executor);
    result.trials.push_back(trial);
    rises = trial.loss < least ? 0 : rises + 1;
    if (trial.loss < least) {
      least = trial.loss;
      result.best_C = trial.C;
    }
  }
  return result;
}

}  // namespace beit::inline BEIT_ABI
