// Memory that begins on a cache line or a huge page.
#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

constexpr std::size_t huge_page = std::size_t{1} << 21;

/// A cache line (also the size of an AVX-512 register or an AMX row), or a huge page if `bytes` fill one.
constexpr std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < huge_page ? std::size_t{64} : huge_page};
}

/// Returns memory for detail::deallocate. Asks the system for huge pages where the memory fills them: one is cleared
/// and mapped in less than half the time of its 512 small pages, which shows when a model is loaded.
inline void* allocate(std::size_t bytes) {
  void* const memory = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__)
  // Only advice: nothing is lost if the system declines it. The remainder is left out, because it would take a whole
  // page.
  if (bytes >= huge_page) ::madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return memory;
}

inline void deallocate(void* memory, std::size_t bytes) { ::operator delete(memory, alignment_of(bytes)); }

/// Rounds a size up so that whatever follows begins on its own cache line.
constexpr Index round_up_to_cache_line(Index bytes) { return round_up(bytes, 64); }

}  // namespace detail

/// Uninitialised memory for trivial types, aligned to a cache line, or to a huge page if it fills one.
template <typename Scalar>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// Allocates `size` elements, uninitialised. std::bad_alloc when memory is short.
  explicit AlignedBuffer(Index size) : data_(static_cast<Scalar*>(detail::allocate(bytes(size)))), size_(size) {}
  /// Takes over the memory of `other`, which is left empty.
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  /// Takes over the memory of `other`; what was here is freed.
  AlignedBuffer& operator=(AlignedBuffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer() { detail::deallocate(data_, static_cast<std::size_t>(size_) * sizeof(Scalar)); }

  Scalar* data() { return data_; }                              ///< (size(),)
  const Scalar* data() const { return data_; }                  ///< (size(),)
  Index size() const { return size_; }                          ///< Number of elements.
  Scalar& operator[](Index i) { return data_[i]; }              ///< Number i, unchecked.
  const Scalar& operator[](Index i) const { return data_[i]; }  ///< Number i, unchecked.

 private:
  static std::size_t bytes(Index size) {
    if (size < 0 || size > std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(Scalar))) {
      throw ArgumentError(
          detail::concat({"AlignedBuffer: found ", size, " elements, wanted 0 or more that fit into memory"}));
    }
    return static_cast<std::size_t>(size) * sizeof(Scalar);
  }

  Scalar* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace beit::inline BEIT_ABI
