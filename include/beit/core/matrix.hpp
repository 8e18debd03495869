// Row-major float matrices: an owner with 64-byte alignment, and the Eigen views that functions take.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <string>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <Eigen/Core>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

using Index = std::ptrdiff_t;

/// Height and width, in pixels or patches.
struct Size {
  Index height = 0;  ///< Down.
  Index width = 0;   ///< Across.

  /// height * width.
  Index area() const { return height * width; }
  /// Both sides are the same.
  bool operator==(const Size&) const = default;
};

namespace detail {

constexpr std::size_t huge_page = std::size_t{1} << 21;

/// A cache line (also an AVX-512 register or an AMX row); a huge page where `bytes` fill one.
constexpr std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < huge_page ? std::size_t{64} : huge_page};
}

/// Memory to give back to detail::deallocate. Those huge pages that it fills are asked for as such: the system clears
/// and maps one in less than half the time of its 512 small pages, which shows when a model is loaded.
inline void* allocate(std::size_t bytes) {
  void* const memory = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__)
  // Only advice: nothing is lost when the system declines it. Not for the rest, which would take a whole page.
  if (bytes >= huge_page) ::madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return memory;
}

inline void deallocate(void* memory, std::size_t bytes) { ::operator delete(memory, alignment_of(bytes)); }

}  // namespace detail

/// Uninitialised memory for trivial types, aligned to a cache line, or to a huge page where it is that large.
template <typename Scalar>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// `size` numbers, uninitialised. std::bad_alloc when memory is short.
  explicit AlignedBuffer(Index size) : data_(static_cast<Scalar*>(detail::allocate(bytes(size)))), size_(size) {}
  /// The memory stays where it is.
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  /// Exchanges the memory.
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer() { detail::deallocate(data_, static_cast<std::size_t>(size_) * sizeof(Scalar)); }

  Scalar* data() { return data_; }                              ///< (size(),)
  const Scalar* data() const { return data_; }                  ///< (size(),)
  Index size() const { return size_; }                          ///< Numbers.
  Scalar& operator[](Index i) { return data_[i]; }              ///< Number i, unchecked.
  const Scalar& operator[](Index i) const { return data_[i]; }  ///< Number i, unchecked.

 private:
  static std::size_t bytes(Index size) {
    if (size < 0 || size > std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(Scalar))) {
      throw ArgumentError(detail::concat({"AlignedBuffer: found ", size, " elements, which no memory holds"}));
    }
    return static_cast<std::size_t>(size) * sizeof(Scalar);
  }

  Scalar* data_ = nullptr;
  Index size_ = 0;
};

using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Views that functions take and write: any row-major Eigen matrix, map or block, or a beit::Matrix.
using Rows = Eigen::Ref<RowMajorMatrix, 0, Eigen::OuterStride<>>;
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
  Index size() const { return rows_ * cols_; }                    ///< Numbers.
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
