// The order in which a product goes through packed weights, and what it fetches ahead.
#pragma once

#include <algorithm>
#include <cstddef>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// A walk over the chunks of panels [panel, panel_end): k in parts whose activations stay in a cache while all panels
/// pass by, in a part panel after panel, in a panel chunk after chunk. Units of k are the caller's.
struct ChunkWalk {
  Index depth, chunk, section;  // of k; part is a multiple of chunk
  Index panel0, panel1;
  Index section_begin = 0, panel = panel0, begin = 0;

  Index section_end() const { return std::min(section_begin + section, depth); }
  /// The chunk's end.
  Index end() const { return std::min(begin + chunk, section_end()); }
  Index count() const { return end() - begin; }
  /// Whether this is a panel's first chunk, its last.
  bool first() const { return begin == 0; }
  bool last() const { return end() == depth; }
  bool splits_depth() const { return section < depth; }

  /// To the next chunk; false where there is none: then to the first of the panel after the last.
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

/// Asks for some memory line by line in a cache beyond the first, where the processor can be asked, from several pages
/// side by side: the processor's own prefetching follows each as far as the page's end, so that one request sets off
/// many.
class Prefetch {
 public:
  Prefetch() = default;
  Prefetch(const std::byte* from, Index bytes)
      : from_(from), left_(bytes / line), streams_(std::max<Index>(1, bytes / page)), stride_(left_ / streams_ * line) {
    left_ = stride_ / line * streams_;
  }

  Index lines() const { return left_; }

  /// Of the next `count` lines.
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
