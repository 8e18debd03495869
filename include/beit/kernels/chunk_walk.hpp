// The order in which a product goes through packed weights, and their prefetching.
#pragma once

#include <algorithm>
#include <cstddef>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// A walk over the chunks of panels [panel0, panel1). The depth k is divided into sections, whose activations stay in a
/// cache while all panels pass by; a section is walked panel by panel, a panel chunk by chunk. The caller chooses the
/// unit of k.
struct ChunkWalk {
  Index depth, chunk, section;  // of k; section is a multiple of chunk
  Index panel0, panel1;
  Index section_begin = 0, panel = panel0, begin = 0;

  Index section_end() const { return std::min(section_begin + section, depth); }
  /// The end of the current chunk.
  Index end() const { return std::min(begin + chunk, section_end()); }
  Index count() const { return end() - begin; }
  /// True for the first and the last chunk of a panel.
  bool first() const { return begin == 0; }
  bool last() const { return end() == depth; }
  bool splits_depth() const { return section < depth; }

  /// Moves to the next chunk. After the last one returns false and moves to the first chunk of the panel after the
  /// last.
  bool advance() {
    begin = end();
    if (begin < section_end()) return true;
    begin = section_begin;
    if (++panel < panel1) return true;
    const bool more = section_end() < depth;
    section_begin = more ? section_end() : 0;
    begin = section_begin;
    if (more) panel = panel0;
    return more;
  }
};

/// Prefetches memory into a cache beyond the first, line by line, where the compiler has an instruction for it. Takes
/// lines from several pages in turn: the processor's own prefetcher follows each page to its end, so that one request
/// sets off many.
class Prefetch {
 public:
  Prefetch() = default;
  Prefetch(const std::byte* from, Index bytes)
      : from_(from), left_(bytes / line), streams_(std::max<Index>(1, bytes / page)), stride_(left_ / streams_ * line) {
    left_ = stride_ / line * streams_;
  }

  Index lines() const { return left_; }

  /// Prefetches the next `count` lines.
  void fetch(Index count) {
#if defined(__GNUC__)
    count = std::min(count, left_);
    left_ -= count;
    const std::byte* from = from_;
    Index stream = stream_;
    for (; count > 0; --count) {
      __builtin_prefetch(from + stream * stride_, 0, 2);
      if (++stream == streams_) {
        stream = 0;
        from += line;
      }
    }
    from_ = from;
    stream_ = stream;
#endif
  }

 private:
  static constexpr Index line = 64, page = 4096;

  const std::byte* from_ = nullptr;
  Index left_ = 0, streams_ = 1, stride_ = 0, stream_ = 0;
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
