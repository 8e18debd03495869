// The resize in strips of 16 rows: what the levels of vector instructions share.
//
// Pillow's two passes (across, rounded to bytes, then down), with 16 rows side by side in the vectors' lanes: no sum
// is spread over lanes, and a tap's weight is one broadcast for 16 rows. A lane of 32 bits holds four bytes to be
// weighed and added: four neighbouring pixels of one channel across, four neighbouring rows of one column down.
//
//   strip  (groups, 3, 16, 4) bytes: [g][c][r][t] is channel c of pixel 4 g + t, counted from the strip's first, in
//          row r of the strip
//   block  (columns, 16) bytes: [x][r] is column x, of the window's width * 3, of row r of the strip after the pass
//          across
//
// Sums are exact modulo 2^32: weights are split into parts that the multiplication takes, parts may overflow, and
// the whole fits, as it must in Pillow. A group of four taps may begin before an output's first; those weigh 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline constexpr Index strip_rows = 16;
inline constexpr Index group_bytes = 3 * strip_rows * 4;  // of a strip, for 4 pixels of 16 rows
inline constexpr Index max_strip_pixels = 1024;           // 48 KiB: the strip stays in the nearer caches
inline constexpr Index tap_parts = 4;                     // numbers of 32 bits that four taps are split into

/// What each level does in its own way; the rest is compiled once for all.
struct StripFunctions {
  void (*split)(const std::int32_t* weights,                    // (4)
                std::int32_t* parts, Index stride);             // (tap_parts), so far apart
  void (*gather)(const std::uint8_t* const* rows,               // (16) pointers to 16 bytes each group
                 Index groups, Index step,                      // in bytes from one group to the next
                 const std::uint8_t* shuffle,                   // (16), of group_shuffle
                 std::uint8_t* strip);                          // (groups, 3, 16, 4)
  void (*across)(const std::uint8_t* strip,                     // (groups, 3, 16, 4)
                 const std::int32_t* weights,                   // (groups, tap_parts)
                 Index groups, std::uint8_t* out);              // (3, 16): one output column of 16 rows
  void (*down)(const std::uint8_t* const* blocks,               // (count) pointers to (columns, 16)
               const std::int32_t* weights,                     // (count, tap_parts, 4)
               Index count, Index columns, std::uint8_t* out);  // (columns): one output row
};

template <typename Level>
inline constexpr StripFunctions strip_functions{&Level::split, &Level::gather, &Level::across, &Level::down};

/// Weights split into parts, in units of some groups of four taps each.
struct PackedTaps {
  std::vector<Taps::Span> spans;    // (window): which units, counted from the first pixel that any output needs
  std::vector<std::int32_t> parts;  // (window, units, tap_parts, groups of a unit)
  Index stride = 0;                 ///< Numbers of one output.
  Index max_units = 0;              ///< Most units of one output.

  const std::int32_t* of(Index output) const { return parts.data() + output * stride; }
};

inline PackedTaps pack_taps(const StripFunctions& level, const Taps& taps, Index groups) {  // groups of a unit
  const Index base = taps.spans.front().first, unit = 4 * groups;
  PackedTaps packed;
  packed.max_units = (taps.stride + unit - 2) / unit + 1;
  packed.stride = packed.max_units * tap_parts * groups;
  packed.spans.resize(taps.spans.size());
  packed.parts.resize(taps.spans.size() * static_cast<std::size_t>(packed.stride));
  std::vector<std::int32_t> aligned(static_cast<std::size_t>(packed.max_units * unit));
  for (std::size_t i = 0; i < taps.spans.size(); ++i) {
    const Index first = taps.spans[i].first - base, count = taps.spans[i].count;
    const Index first_unit = first / unit, units = (first + count - 1) / unit + 1 - first_unit;
    packed.spans[i] = {first_unit, units};
    std::fill(aligned.begin(), aligned.end(), 0);
    std::copy_n(taps.of(static_cast<Index>(i)), count, aligned.data() + (first - first_unit * unit));
    std::int32_t* to = packed.parts.data() + static_cast<Index>(i) * packed.stride;
    for (Index u = 0; u < units; ++u, to += tap_parts * groups) {
      for (Index g = 0; g < groups; ++g) level.split(aligned.data() + u * unit + 4 * g, to + g, groups);
    }
  }
  return packed;
}

/// For 4 pixels in 16 bytes or fewer: the bytes of 4 red, 4 green, 4 blue; the highest bit set stands for 0.
inline std::array<std::uint8_t, 16> group_shuffle(Index channels) {
  std::array<std::uint8_t, 16> from;
  from.fill(0x80);
  for (Index c = 0; c < 3; ++c) {
    for (Index t = 0; t < 4; ++t) {
      from[static_cast<std::size_t>(4 * c + t)] = static_cast<std::uint8_t>(t * channels + (channels >= 3 ? c : 0));
    }
  }
  return from;
}

/// Bytes that begin on a cache line, all 0.
class AlignedBytes {
 public:
  explicit AlignedBytes(Index size) : bytes_(static_cast<std::size_t>(size) + 63) {
    void* begin = bytes_.data();
    std::size_t space = bytes_.size();
    begin_ = static_cast<std::uint8_t*>(std::align(64, static_cast<std::size_t>(size), begin, space));
  }
  std::uint8_t* data() { return begin_; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::uint8_t* begin_;
};

/// The strip of 4 * groups pixels from `first` on. Beyond the rows' end there is anything.
inline void gather_strip(const StripFunctions& level, const ImageView& image,
                         const std::uint8_t* const* rows,  // (16) pointers
                         Index first, Index groups,
                         std::uint8_t* strip) {  // (groups, 3, 16, 4)
  const std::array<std::uint8_t, 16> shuffle = group_shuffle(image.channels);
  const Index step = 4 * image.channels;
  // A group is read as 16 bytes, whatever it has.
  const Index begin = first * image.channels, left = image.width * image.channels - begin;
  const Index whole = left < 16 ? 0 : std::min(groups, (left - 16) / step + 1);
  std::array<const std::uint8_t*, strip_rows> from;
  for (std::size_t r = 0; r < from.size(); ++r) from[r] = rows[r] + begin;
  level.gather(from.data(), whole, step, shuffle.data(), strip);
  if (whole == groups) return;
  std::array<std::array<std::uint8_t, 32>, strip_rows> tails{};  // fewer than 16 bytes are left
  for (std::size_t r = 0; r < from.size(); ++r) {
    std::copy_n(from[r] + whole * step, std::min<Index>(left - whole * step, 32), tails[r].data());
    from[r] = tails[r].data();
  }
  level.gather(from.data(), groups - whole, step, shuffle.data(), strip + whole * group_bytes);
}

/// Both passes on one level. The taps' windows aren't empty, and across.stride is at most max_strip_pixels.
inline void resize_by_strips(const StripFunctions& level, const ImageView& image, const Taps& across, const Taps& down,
                             std::uint8_t* out) {  // (down's window, across' window, 3)
  const PackedTaps across_packed = pack_taps(level, across, 1);
  const PackedTaps down_packed = pack_taps(level, down, strip_rows / 4);
  const Index first_column = across.spans.front().first, first_row = down.spans.front().first;
  const Index last_row = down.spans.back().first + down.spans.back().count - 1;
  const Index width = static_cast<Index>(across.spans.size()), bytes = width * 3;

  // As many outputs at a time as a strip has room for.
  constexpr Index strip_groups = max_strip_pixels / 4 + 1;
  struct Chunk {
    Index first, count, first_group, groups;
  };
  std::vector<Chunk> chunks;
  for (Index i = 0; i < width; ++i) {
    const Taps::Span span = across_packed.spans[static_cast<std::size_t>(i)];
    const Index end = span.first + span.count;
    if (chunks.empty() || end - chunks.back().first_group > strip_groups) chunks.push_back({i, 0, span.first, 0});
    ++chunks.back().count;
    chunks.back().groups = end - chunks.back().first_group;
  }

  const Index block_bytes = (bytes + 15) / 16 * 16 * strip_rows;
  const Index ring_blocks = down_packed.max_units;
  AlignedBytes strip(strip_groups * group_bytes), ring(ring_blocks * block_bytes);
  std::vector<const std::uint8_t*> blocks(static_cast<std::size_t>(ring_blocks));
  std::array<const std::uint8_t*, strip_rows> rows;
  Index next = 0;  // the first block that hasn't been made
  for (std::size_t y = 0; y < down.spans.size(); ++y, out += bytes) {
    const Taps::Span span = down_packed.spans[y];
    next = std::max(next, span.first);
    for (; next < span.first + span.count; ++next) {
      for (Index r = 0; r < strip_rows; ++r) {
        rows[static_cast<std::size_t>(r)] = image.row(std::min(first_row + next * strip_rows + r, last_row));
      }
      std::uint8_t* block = ring.data() + next % ring_blocks * block_bytes;
      for (const Chunk& chunk : chunks) {
        gather_strip(level, image, rows.data(), first_column + 4 * chunk.first_group, chunk.groups, strip.data());
        for (Index i = chunk.first; i < chunk.first + chunk.count; ++i) {
          const Taps::Span groups = across_packed.spans[static_cast<std::size_t>(i)];
          level.across(strip.data() + (groups.first - chunk.first_group) * group_bytes, across_packed.of(i),
                       groups.count, block + i * 3 * strip_rows);
        }
      }
    }
    for (Index i = 0; i < span.count; ++i) {
      blocks[static_cast<std::size_t>(i)] = ring.data() + (span.first + i) % ring_blocks * block_bytes;
    }
    level.down(blocks.data(), down_packed.of(static_cast<Index>(y)), span.count, bytes, out);
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
