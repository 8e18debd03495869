// Memory for temporaries that is reused without calls to the system.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <type_traits>
#include <vector>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Memory for temporaries: it grows to the most that was ever in use at a time and is then reused. Only one thread at a
/// time may use it.
class Arena {
 public:
  /// An arena without memory.
  Arena() = default;
  /// No frame may be open.
  Arena(Arena&&) = default;
  /// No frame may be open in either.
  Arena& operator=(Arena&&) = default;

  /// Memory that is valid for as long as the frame lives. Frames end in the opposite order of their beginning, as calls
  /// do.
  class [[nodiscard]] Frame {
   public:
    /// Opens a frame on top of those that are open.
    explicit Frame(Arena& arena) : arena_(arena), slab_(arena.slab_), used_(arena.used_) { ++arena.frames_; }
    ~Frame() {
      arena_.slab_ = slab_;
      arena_.used_ = used_;
      if (--arena_.frames_ == 0) arena_.join_slabs();
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    /// Takes `size` bytes, uninitialised, aligned to a cache line. std::bad_alloc when memory is short, or for a size
    /// that is negative or above half of what Index holds: 1 GB in WebAssembly.
    std::byte* bytes(Index size) { return arena_.take(size); }
    /// Takes memory for `count` trivial objects, uninitialised, aligned to a cache line. Throws as bytes does.
    template <typename T>
    T* take(Index count) {
      static_assert(std::is_trivially_copyable_v<T>);
      return reinterpret_cast<T*>(bytes(detail::memory_size({count, static_cast<Index>(sizeof(T))})));
    }

   private:
    Arena& arena_;
    std::size_t slab_;
    Index used_;
  };

 private:
  static constexpr Index most_bytes = std::numeric_limits<Index>::max() / 2;  // which can still be rounded up

  /// Takes memory from the first slab with room; the unused end of a skipped slab stays unused until the frame ends.
  std::byte* take(Index size) {
    if (size < 0 || size > most_bytes) throw std::bad_array_new_length();
    size = detail::round_up_to_cache_line(size);
    for (; slab_ < slabs_.size(); ++slab_, used_ = 0) {
      if (slabs_[slab_].size() - used_ >= size) break;
    }
    if (slab_ == slabs_.size()) add_slab(std::max<Index>(size, 64));
    std::byte* const memory = slabs_[slab_].data() + used_;
    used_ += size;
    return memory;
  }

  void add_slab(Index size) { slabs_.emplace_back(size); }

  /// Replaces several slabs by one, so that the next call finds room for everything.
  void join_slabs() noexcept {
    if (slabs_.size() < 2) return;
    Index total = 0;
    for (const AlignedBuffer<std::byte>& slab : slabs_) total += slab.size();
    slabs_.clear();
    try {
      add_slab(total);
    } catch (const std::bad_alloc&) {  // the next call allocates what it needs
    }
  }

  std::vector<AlignedBuffer<std::byte>> slabs_;
  std::size_t slab_ = 0;  // the slab in use, up to used_
  Index used_ = 0;
  Index frames_ = 0;
};

}  // namespace beit::inline BEIT_ABI
