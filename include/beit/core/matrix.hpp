// Row-major float matrices: an owner with 64-byte alignment, and the Eigen views that functions take.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <Eigen/Core>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// A row-major matrix of floats in Eigen's own memory.
using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A view that functions write to: any row-major Eigen matrix, map or block, or a beit::Matrix.
using Rows = Eigen::Ref<RowMajorMatrix, 0, Eigen::OuterStride<>>;
/// A read-only view that functions take.
using ConstRows = Eigen::Ref<const RowMajorMatrix, 0, Eigen::OuterStride<>>;

/// An owned matrix (rows, cols) of row-major floats without padding, which functions return.
///
/// Unlike an Eigen::Matrix, whose alignment depends on compiler flags, its memory always begins on a cache line.
class Matrix {
 public:
  using Map = Eigen::Map<RowMajorMatrix>;             ///< An Eigen view to read and write.
  using ConstMap = Eigen::Map<const RowMajorMatrix>;  ///< An Eigen view to read.

  Matrix() = default;
  /// Uninitialised.
  Matrix(Index rows, Index cols) : buffer_(area(rows, cols)), rows_(rows), cols_(cols) {}
  /// Copies a view.
  explicit Matrix(const ConstRows& other) : Matrix(other.rows(), other.cols()) { map() = other; }
  /// Copies the elements.
  Matrix(const Matrix& other) : Matrix(other.rows_, other.cols_) { std::copy_n(other.data(), other.size(), data()); }
  /// Takes over the memory of `other`, which is left empty.
  Matrix(Matrix&& other) noexcept
      : buffer_(std::move(other.buffer_)), rows_(std::exchange(other.rows_, 0)), cols_(std::exchange(other.cols_, 0)) {}
  /// Takes the elements of `other`.
  Matrix& operator=(Matrix other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(rows_, other.rows_);
    std::swap(cols_, other.cols_);
    return *this;
  }

  Index rows() const { return rows_; }                            ///< Number of rows.
  Index cols() const { return cols_; }                            ///< Number of columns.
  Index size() const { return rows_ * cols_; }                    ///< Number of elements.
  float* data() { return buffer_.data(); }                        ///< (rows, cols), row by row.
  const float* data() const { return buffer_.data(); }            ///< (rows, cols), row by row.
  float* row(Index i) { return data() + i * cols_; }              ///< (cols,), unchecked.
  const float* row(Index i) const { return data() + i * cols_; }  ///< (cols,), unchecked.
  float& operator()(Index i, Index j) { return row(i)[j]; }       ///< Row i, column j, unchecked.
  float operator()(Index i, Index j) const { return row(i)[j]; }  ///< Row i, column j, unchecked.

  /// An Eigen view, for expressions such as `logits.map().rowwise().maxCoeff()`.
  Map map() { return {data(), rows_, cols_}; }
  /// An Eigen view to read.
  ConstMap map() const { return {data(), rows_, cols_}; }
  /// The view that the library's functions write to.
  operator Rows() { return map(); }
  /// The view that the library's functions read.
  operator ConstRows() const { return map(); }

 private:
  static Index area(Index rows, Index cols) {
    if (rows < 0 || cols < 0 || (cols > 0 && rows > std::numeric_limits<Index>::max() / cols)) {
      throw ArgumentError(
          detail::concat({"Matrix: found ", rows, " rows of ", cols, " columns, wanted a size that fits into memory"}));
    }
    return rows * cols;
  }

  AlignedBuffer<float> buffer_;
  Index rows_ = 0;
  Index cols_ = 0;
};

/// Writes a shape for a message: "(3, 4)".
[[nodiscard]] BEIT_COLD inline std::string shape_text(Index rows, Index cols) {
  return detail::concat({"(", rows, ", ", cols, ")"});
}

/// Throws ArgumentError unless `x` has this shape; `name` begins the message.
template <typename Dense>
void require_shape(const Dense& x, Index rows, Index cols, const char* name) {
  if (x.rows() != rows || x.cols() != cols) {
    throw ArgumentError(
        detail::concat({name, ": found shape ", shape_text(x.rows(), x.cols()), ", wanted ", shape_text(rows, cols)}));
  }
}

/// Throws ArgumentError if `x` has a NaN or an infinity; `name` begins the message.
inline void require_finite(const ConstRows& x, const char* name) {
  for (Index i = 0; i < x.rows(); ++i) {
    if (x.row(i).allFinite()) continue;
    for (Index j = 0; j < x.cols(); ++j) {
      if (std::isfinite(x(i, j))) continue;
      throw ArgumentError(detail::concat(
          {name, ": found ", std::to_string(x(i, j)), " at ", shape_text(i, j), ", wanted finite numbers"}));
    }
  }
}

}  // namespace beit::inline BEIT_ABI
