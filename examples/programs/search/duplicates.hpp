// Finds groups of images in an index that look almost the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include <beit/beit.hpp>
#include <beit/transfer/nearest.hpp>
#include <beit/transfer/row_products.hpp>

#include "../inputs/stop.hpp"
#include "index.hpp"

namespace programs {

/// Rows that belong together, in the order of the index. The score of each is its highest cosine with another one.
using DuplicateGroup = std::vector<beit::Neighbour>;

/// Joins pairs of rows to groups. Takes 12 bytes a row.
class RowGroups {
 public:
  explicit RowGroups(beit::Index rows)
      : parents_(static_cast<std::size_t>(rows)), best_(static_cast<std::size_t>(rows), -2) {
    std::iota(parents_.begin(), parents_.end(), beit::Index{0});
  }

  void join(beit::Index a, beit::Index b, float score) {
    for (const beit::Index row : {a, b}) {
      float& best = best_[static_cast<std::size_t>(row)];
      best = std::max(best, score);
    }
    const beit::Index first = root(a), second = root(b);
    parents_[static_cast<std::size_t>(std::max(first, second))] = std::min(first, second);
  }

  /// The groups of at least two rows, the largest first (the one with the earlier row among equals).
  std::vector<DuplicateGroup> groups() {
    std::map<beit::Index, DuplicateGroup> of_root;
    for (beit::Index row = 0; row < std::ssize(parents_); ++row) {
      const float best = best_[static_cast<std::size_t>(row)];
      if (best > -2) of_root[root(row)].push_back({row, best});
    }
    std::vector<DuplicateGroup> result;
    for (auto& [first, group] : of_root) result.push_back(std::move(group));
    std::stable_sort(result.begin(), result.end(),
                     [](const DuplicateGroup& a, const DuplicateGroup& b) { return a.size() > b.size(); });
    return result;
  }

 private:
  beit::Index root(beit::Index row) {
    const auto parent = [this](beit::Index of) -> beit::Index& { return parents_[static_cast<std::size_t>(of)]; };
    while (parent(row) != row) row = parent(row) = parent(parent(row));
    return row;
  }

  std::vector<beit::Index> parents_;  // of each row an earlier one of its group, or itself
  std::vector<float> best_;           // the highest score of each row; -2 if it is in no pair
};

/// Compares each row of an index with each later one, block by block, and joins those whose cosine is at least
/// `threshold`, up to a rounding error of 1e-6. A group is all rows that such pairs connect, so two of its rows may be
/// less similar. `progress(rows)` is called after each block with the number of rows that are done. Throws
/// beit::ArgumentError for rows that aren't finite, and Interrupted.
template <typename Progress>
std::vector<DuplicateGroup> find_duplicates(const EmbeddingIndex& index, double threshold,
                                            const beit::Executor& executor, const Progress& progress) {
  using beit::Index;
  constexpr Index block = 2048, part = 64;
  struct Pair {
    Index row, later;
    float score;
  };
  const auto norm_of = [](const auto& row) { return row.template cast<double>().norm(); };
  RowGroups groups(index.rows());
  beit::RowMajorMatrix products;
  beit::Workspace workspace(executor);
  for (Index begin = 0; begin < index.rows(); begin += block) {
    const Index end = std::min(begin + block, index.rows());
    beit::Matrix units(end - begin, index.dim());
    index.for_each_block(begin, end, [&](Index first, const beit::ConstRows& rows) {
      for (Index i = 0; i < rows.rows(); ++i) {
        const double norm = norm_of(rows.row(i));
        if (!std::isfinite(norm)) {
          throw beit::ArgumentError("row " + std::to_string(first + i) + " of the index isn't finite");
        }
        units.map().row(first + i - begin) = rows.row(i) * static_cast<float>(norm > 0 ? 1 / norm : 0);
      }
    });
    const beit::RowProducts block_products(units, executor);
    index.for_each_block(begin, index.rows(), [&](Index first, const beit::ConstRows& rows) {
      if (stop_signal != 0) throw Interrupted();
      products.resize(rows.rows(), end - begin);
      block_products.forward(rows, workspace, products);
      std::vector<std::vector<Pair>> pairs(static_cast<std::size_t>((rows.rows() + part - 1) / part));
      executor.for_each(std::ssize(pairs), [&](Index which, Index) {
        for (Index i = which * part; i < std::min(rows.rows(), (which + 1) * part); ++i) {
          const double norm = norm_of(rows.row(i));
          const double wanted = (threshold - 1e-6) * norm;
          for (Index j = 0; j < std::min(end - begin, first + i - begin); ++j) {
            const auto product = static_cast<double>(products(i, j));
            if (product < wanted || norm == 0) continue;
            pairs[static_cast<std::size_t>(which)].push_back(
                {begin + j, first + i, static_cast<float>(product / norm)});
          }
        }
      });
      for (const std::vector<Pair>& found : pairs) {
        for (const auto& [row, later, score] : found) groups.join(row, later, score);
      }
    });
    progress(end);
  }
  return groups.groups();
}

}  // namespace programs
