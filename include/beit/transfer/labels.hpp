// Labels of rows: classes from 0.
#pragma once

#include <span>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Throws ArgumentError unless there are n labels and each is a class; `name` begins the message.
inline void require_labels(std::span<const Index> y, Index n, Index classes, const char* name) {
  if (static_cast<Index>(y.size()) != n) {
    throw ArgumentError(concat({name, ": found ", y.size(), " labels, wanted ", n}));
  }
  for (const Index label : y) {
    if (label < 0 || label >= classes) {
      throw ArgumentError(concat({name, ": found the label ", label, ", wanted 0 to ", classes - 1}));
    }
  }
}

/// The class with the largest score in each row: scores (m, K) -> (m,). Ties go to the lower class.
[[nodiscard]] inline std::vector<Index> best_classes(const Matrix& scores) {
  std::vector<Index> classes;
  for (Index i = 0; i < scores.rows(); ++i) {
    Index best = 0;
    scores.map().row(i).maxCoeff(&best);
    classes.push_back(best);
  }
  return classes;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
