// Row-major float matrices: an owner with 64-byte alignment, and the Eigen views that functions take.
#pragma once

#include <algorithm>
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

/// Floats row by row, in Eigen's own memory.
using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Views that functions take and write: any row-major Eigen matrix, map or block, or a beit::Matrix.
using Rows = Eigen::Ref<RowMajorMatrix, 0, Eigen::OuterStride<>>;
/// The same, only to read.
using ConstRows = Eigen::Ref<const RowMajorMatrix, 0, Eigen::OuterStride<>>;

/// What functions return: (rows, cols) row-major floats without padding, owned, movable.
///
/// Not an Eigen::Matrix, whose memory is aligned as the compiler's flags say: here it always is to a cache line.
class Matrix {
 public:
  using Map = Eigen::Map<RowMajorMatrix>;             ///< An Eigen view.
  using ConstMap = Eigen::Map<const RowMajorMatrix>;  ///< The same, to read.

  Matrix() = default;
  /// Uninitialised.
  Matrix(Index rows, Index cols) : buffer_(area(rows, cols)), rows_(rows), cols_(cols) {}
  /// A copy of a view.
  explicit Matrix(const ConstRows& other) : Matrix(other.rows(), other.cols()) { map() = other; }
  /// Copies the numbers.
  Matrix(const Matrix& other) : Matrix(other.rows_, other.cols_) { std::copy_n(other.data(), other.size(), data()); }
  /// The numbers stay where they are; `other` is left empty.
  Matrix(Matrix&& other) noexcept
      : buffer_(std::move(other.buffer_)), rows_(std::exchange(other.rows_, 0)), cols_(std::exchange(other.cols_, 0)) {}
  /// Takes the numbers of `other`.
  Matrix& operator=(Matrix other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(rows_, other.rows_);
    std::swap(cols_, other.cols_);
    return *this;
  }

  Index rows() const { return rows_; }                            ///< Down.
  Index cols() const { return cols_; }                            ///< Across.
  Index size() const { return rows_ * cols_; }                    ///< Number of elements.
  float* data() { return buffer_.data(); }                        ///< (rows, cols), row by row.
  const float* data() const { return buffer_.data(); }            ///< (rows, cols), row by row.
  float* row(Index i) { return data() + i * cols_; }              ///< (cols,), unchecked.
  const float* row(Index i) const { return data() + i * cols_; }  ///< (cols,), unchecked.
  float& operator()(Index i, Index j) { return row(i)[j]; }       ///< Row i, column j, unchecked.
  float operator()(Index i, Index j) const { return row(i)[j]; }  ///< Row i, column j, unchecked.

  /// As an Eigen expression: `logits.map().rowwise().maxCoeff()`.
  Map map() { return {data(), rows_, cols_}; }
  /// The same, to read.
  ConstMap map() const { return {data(), rows_, cols_}; }
  /// What functions of the library write to.
  operator Rows() { return map(); }
  /// What functions of the library read.
  operator ConstRows() const { return map(); }

 private:
  static Index area(Index rows, Index cols) {
    if (rows < 0 || cols < 0 || (cols > 0 && rows > std::numeric_limits<Index>::max() / cols)) {
      throw ArgumentError(detail::concat({"Matrix: found ", rows, " rows of ", cols, " columns"}));
    }
    return rows * cols;
  }

  AlignedBuffer<float> buffer_;
  Index rows_ = 0;
  Index cols_ = 0;
};

/// "(3, 4)", for messages.
BEIT_COLD inline std::string shape_text(Index rows, Index cols) { return detail::concat({"(", rows, ", ", cols, ")"}); }

/// Throws ArgumentError unless `x` has this shape; `name` begins the message.
template <typename Dense>
void require_shape(const Dense& x, Index rows, Index cols, const char* name) {
  if (x.rows() != rows || x.cols() != cols) {
    throw ArgumentError(
        detail::concat({name, ": found shape ", shape_text(x.rows(), x.cols()), ", wanted ", shape_text(rows, cols)}));
  }
}

}  // namespace beit::inline BEIT_ABI
