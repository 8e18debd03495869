// Exact nearest neighbours by cosine: rows pass by in batches, and the best of them are kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/transfer/labels.hpp>
#include <beit/transfer/row_products.hpp>

namespace beit::inline BEIT_ABI {

/// A row that is near a query.
struct Neighbour {
  Index row = 0;    ///< Its number among all rows that were added.
  float score = 0;  ///< The cosine, from -1 to 1; 0 for a row or a query of zeros.
};

/// Finds for each query the k nearest of all rows that are added. The queries are kept, the rows aren't: they may come
/// from a mapped file of any size.
class NearestRows {
 public:
  /// Copies the queries (Q, d). The pool of `executor` must outlive the search. ArgumentError for k of less than 1 and
  /// for queries that aren't finite.
  NearestRows(const ConstRows& queries, Index k, const Executor& executor = default_thread_pool())
      : k_(k), dim_(queries.cols()), workspace_(executor) {
    if (k < 1) throw ArgumentError(detail::concat({"NearestRows: found k = ", k, ", wanted at least 1"}));
    require_finite(queries, "NearestRows: queries");
    Matrix units(queries);
    for (Index i = 0; i < units.rows(); ++i) units.map().row(i) *= static_cast<float>(inverse_norm(units.row(i), dim_));
    if (units.rows() > 0) queries_ = RowProducts(units, executor);
    best_.resize(static_cast<std::size_t>(queries.rows()));
  }

  /// Compares rows (n, d) with each query. ArgumentError for another d and for rows that aren't finite.
  void add(const ConstRows& rows) {
    require_shape(rows, rows.rows(), dim_, "NearestRows: rows");
    const Index count = static_cast<Index>(best_.size());
    if (count == 0) return;
    // At most 4 MiB of products, and 1 MiB of rows per thread, which stay in its cache; but 64 rows.
    const Index products = (Index{1} << 20) / count;
    const Index cached = (Index{1} << 18) / std::max<Index>(1, dim_) * workspace_.executor().size();
    const Index batch = std::clamp<Index>(std::min(products, cached), 64, 4096);
    for (Index begin = 0; begin < rows.rows(); begin += batch) {
      const auto part = rows.middleRows(begin, std::min(batch, rows.rows() - begin));
      add_batch(part);
      seen_ += part.rows();
    }
  }

  /// The at most k nearest of the rows added so far for each query, the nearest first (the earlier row among equals).
  /// They hold until the next call of add(), which may follow, and as long as the search lives: hence not of a
  /// temporary.
  [[nodiscard]] const std::vector<std::vector<Neighbour>>& results() & {
    for (std::vector<Neighbour>& best : best_) std::sort(best.begin(), best.end(), nearer);
    return best_;
  }
  void results() && = delete;

 private:
  static bool nearer(const Neighbour& a, const Neighbour& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  }

  /// 1 / |row|, or 0 for a row of zeros; NaN if the row isn't finite.
  static double inverse_norm(const float* row, Index dim) {
    const double sum = Eigen::Map<const Eigen::VectorXf>(row, dim).cast<double>().squaredNorm();
    if (!std::isfinite(sum)) return std::numeric_limits<double>::quiet_NaN();
    return sum > 0 ? 1 / std::sqrt(sum) : 0;
  }

  void add_batch(const ConstRows& rows) {
    products_.resize(rows.rows(), static_cast<Index>(best_.size()));
    queries_.forward(rows, workspace_, products_);
    norms_.resize(static_cast<std::size_t>(rows.rows()));
    workspace_.executor().for_each((rows.rows() + 255) / 256, [&](Index item, Index) {
      for (Index i = item * 256; i < std::min(rows.rows(), (item + 1) * 256); ++i) {
        norms_[static_cast<std::size_t>(i)] = inverse_norm(rows.data() + i * rows.outerStride(), dim_);
      }
    });
    for (Index i = 0; i < rows.rows(); ++i) {
      if (std::isnan(norms_[static_cast<std::size_t>(i)])) {
        throw ArgumentError(detail::concat({"NearestRows: row ", seen_ + i, " isn't finite"}));
      }
    }
    workspace_.executor().for_each(products_.cols(), [&](Index query, Index) {
      std::vector<Neighbour>& heap = best_[static_cast<std::size_t>(query)];
      std::make_heap(heap.begin(), heap.end(), nearer);  // the farthest of the best in front; results() sorts
      for (Index i = 0; i < rows.rows(); ++i) {
        const double score = static_cast<double>(products_(i, query)) * norms_[static_cast<std::size_t>(i)];
        const Neighbour found{seen_ + i, static_cast<float>(score)};
        if (static_cast<Index>(heap.size()) == k_) {
          if (!nearer(found, heap.front())) continue;
          std::pop_heap(heap.begin(), heap.end(), nearer);
          heap.pop_back();
        }
        heap.push_back(found);
        std::push_heap(heap.begin(), heap.end(), nearer);
      }
    });
  }

  Index k_, dim_;
  Workspace workspace_;
  RowProducts queries_;                       // (Q, d), of unit length
  std::vector<std::vector<Neighbour>> best_;  // (Q,), each of at most k
  RowMajorMatrix products_;                   // (rows of a batch, Q)
  std::vector<double> norms_;                 // (rows of a batch,), inverse
  Index seen_ = 0;
};

/// The k rows of `rows` (n, d) that are nearest to one query (d,), the nearest first; all of them where n is less.
/// ArgumentError as NearestRows. For many queries, one NearestRows is faster than a call for each.
[[nodiscard]] inline std::vector<Neighbour> nearest(const ConstRows& rows, std::span<const float> query, Index k,
                                                    const Executor& executor = default_thread_pool()) {
  NearestRows search(Eigen::Map<const RowMajorMatrix>(query.data(), 1, static_cast<Index>(query.size())), k, executor);
  search.add(rows);
  return search.results().front();
}

/// k-nearest-neighbour classification by cosine, as the evaluation protocol of DINO has it
/// (https://arxiv.org/abs/2104.14294, after https://arxiv.org/abs/1805.01978): each of the k nearest training images
/// votes for its class with the weight exp(cosine / temperature).
class KnnClassifier {
 public:
  /// Copies the features (n, d) and their labels (n,) from 0 to classes - 1. A k of more than n is n.
  /// ArgumentError where shapes, labels or numbers are wrong.
  KnnClassifier(const ConstRows& features, std::span<const Index> labels, Index classes, Index k = 20,
                double temperature = 0.07)
      : features_(features),
        labels_(labels.begin(), labels.end()),
        classes_(classes),
        k_(k),
        temperature_(temperature) {
    if (features.rows() < 1) throw ArgumentError("KnnClassifier: found no features, wanted at least 1");
    detail::require_labels(labels, features.rows(), classes, "KnnClassifier");
    if (k < 1 || !(temperature > 0)) {
      throw ArgumentError(detail::concat(
          {"KnnClassifier: found k ", k, ", temperature ", std::to_string(temperature), ", wanted positive numbers"}));
    }
  }

  /// The votes for each class, divided by their sum: x (m, d) -> (m, K).
  [[nodiscard]] Matrix scores(const ConstRows& x, const Executor& executor = default_thread_pool()) const {
    NearestRows search(x, k_, executor);
    search.add(features_);
    const std::vector<std::vector<Neighbour>>& found = search.results();
    Matrix out(x.rows(), classes_);
    std::vector<double> votes(static_cast<std::size_t>(classes_));
    for (Index i = 0; i < x.rows(); ++i) {
      const std::vector<Neighbour>& neighbours = found[static_cast<std::size_t>(i)];
      std::fill(votes.begin(), votes.end(), 0.0);
      double sum = 0;
      for (const Neighbour& neighbour : neighbours) {
        // Cosines relative to the nearest one's give the same quotient, and no vote overflows.
        const double vote = std::exp(
            (static_cast<double>(neighbour.score) - static_cast<double>(neighbours.front().score)) / temperature_);
        votes[static_cast<std::size_t>(labels_[static_cast<std::size_t>(neighbour.row)])] += vote;
        sum += vote;
      }
      for (Index c = 0; c < classes_; ++c) out(i, c) = static_cast<float>(votes[static_cast<std::size_t>(c)] / sum);
    }
    return out;
  }

  /// The class with the most votes for each row: x (m, d) -> (m,).
  [[nodiscard]] std::vector<Index> predict(const ConstRows& x, const Executor& executor = default_thread_pool()) const {
    return detail::best_classes(scores(x, executor));
  }

 private:
  Matrix features_;            // (n, d)
  std::vector<Index> labels_;  // (n,)
  Index classes_;
  Index k_;
  double temperature_;
};

}  // namespace beit::inline BEIT_ABI
