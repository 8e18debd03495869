// The resize across and then down, in strips of 16 rows, on a level's steps (kernels/strips.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <beit/core/arena.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/row_writer.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>
#include <beit/kernels/strips.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

using kernels::strip_rows;

inline constexpr Index max_strip_pixels = 1024;  // 48 KiB, so that a strip stays in the nearer caches
inline constexpr Index max_strip_groups =
    max_strip_pixels / 4 + 1;  // one more, because the first group may begin before the pixels

/// Weights that are split into parts, in units of some groups of four taps.
struct PackedTaps {
  Span* spans;          // (window): ranges of units, counted from the first pixel that any output needs
  std::int32_t* parts;  // (window, units, tap_parts, groups of a unit)
  Index stride;         // numbers per output
  Index max_units;      // the largest number of units of an output

  const std::int32_t* of(Index output) const { return parts + output * stride; }
};

/// Packs taps in the memory of `frame`.
inline PackedTaps pack_taps(const kernels::StripKernels& level, const Taps& taps, Index groups,  // groups per unit
                            Arena::Frame& frame) {
  const Index base = taps.spans[0].first, unit = 4 * groups;
  const Index max_units = (taps.stride + unit - 2) / unit + 1, stride = max_units * kernels::tap_parts * groups;
  const PackedTaps packed{frame.take<Span>(taps.count), frame.take<std::int32_t>(taps.count * stride), stride,
                          max_units};
  std::int32_t* const aligned = frame.take<std::int32_t>(max_units * unit);
  for (Index i = 0; i < taps.count; ++i) {
    const Index first = taps.spans[i].first - base, count = taps.spans[i].count;
    const Index first_unit = first / unit, units = (first + count - 1) / unit + 1 - first_unit;
    packed.spans[i] = {first_unit, units};
    std::fill_n(aligned, max_units * unit, 0);
    std::copy_n(taps.of(i), count, aligned + (first - first_unit * unit));
    std::int32_t* to = packed.parts + i * stride;
    for (Index u = 0; u < units; ++u, to += kernels::tap_parts * groups) {
      for (Index g = 0; g < groups; ++g) level.split(aligned + u * unit + 4 * g, to + g, groups);
    }
  }
  return packed;
}

/// Output columns whose source pixels fit into one strip.
struct Chunk {
  Index first, count;         // outputs
  Index first_group, groups;  // groups of the strip, counted from the first pixel that any output needs
};

/// Divides outputs into chunks, each with as many as fit into a strip: (returned,), in the memory of `frame`.
inline Index cut_chunks(const Span* spans, Index count, Chunk* chunks) {
  Index made = 0;
  for (Index i = 0; i < count; ++i) {
    const Index end = spans[i].first + spans[i].count;
    if (made == 0 || end - chunks[made - 1].first_group > max_strip_groups) chunks[made++] = {i, 0, spans[i].first, 0};
    ++chunks[made - 1].count;
    chunks[made - 1].groups = end - chunks[made - 1].first_group;
  }
  return made;
}

/// Fills the strip with 4 * groups pixels from `first` on; its contents beyond the rows' end are arbitrary.
inline void gather_strip(const kernels::StripKernels& level, const ImageView& image,
                         const std::uint8_t* const* rows,  // (16) pointers
                         Index first, Index groups,
                         std::uint8_t* strip) {  // (groups, 3, 16, 4)
  // The positions of 4 red, 4 green and 4 blue bytes in up to 16 bytes of 4 pixels; the highest bit means a zero.
  std::array<std::uint8_t, 16> shuffle;
  shuffle.fill(0x80);
  const std::array<Index, 3> colours = image.colours();
  for (std::size_t i = 0; i < 12; ++i) {
    shuffle[i] = static_cast<std::uint8_t>(static_cast<Index>(i % 4) * image.channels + colours[i / 4]);
  }
  const Index step = 4 * image.channels;
  // A group is always read as 16 bytes.
  const Index begin = first * image.channels, left = image.width * image.channels - begin;
  const Index whole = left < 16 ? 0 : std::min(groups, (left - 16) / step + 1);
  std::array<const std::uint8_t*, strip_rows> from;
  for (std::size_t r = 0; r < from.size(); ++r) from[r] = rows[r] + begin;
  level.gather(from.data(), whole, step, shuffle.data(), strip);
  if (whole == groups) return;
  std::array<std::array<std::uint8_t, 32>, strip_rows> tails{};  // for groups with fewer than 16 bytes left
  for (std::size_t r = 0; r < from.size(); ++r) {
    std::copy_n(from[r] + whole * step, std::min<Index>(left - whole * step, 32), tails[r].data());
    from[r] = tails[r].data();
  }
  level.gather(from.data(), groups - whole, step, shuffle.data(), strip + whole * kernels::strip_group_bytes);
}

/// The pass across, 16 rows at a time, for a window of columns that isn't empty. `taps.stride` is at most
/// max_strip_pixels.
class AcrossPass {
 public:
  /// Keeps its tables in the memory of `frame`.
  AcrossPass(const kernels::StripKernels& level, const Taps& taps, Arena::Frame& frame)
      : level_(level),
        taps_(pack_taps(level, taps, 1, frame)),
        chunks_(frame.take<Chunk>(taps.count)),
        chunk_count_(cut_chunks(taps_.spans, taps.count, chunks_)),
        first_column_(taps.spans[0].first),
        block_bytes_(round_up(taps.count * 3, 16) * strip_rows),
        strip_(frame.take<std::uint8_t>(max_strip_groups * kernels::strip_group_bytes)) {}

  Index block_bytes() const { return block_bytes_; }

  /// Computes a block from rows of `image`'s width, channels and order.
  void run(const ImageView& image, const std::array<const std::uint8_t*, strip_rows>& rows, std::uint8_t* block) const {
    for (Index c = 0; c < chunk_count_; ++c) {
      const Chunk& chunk = chunks_[c];
      gather_strip(level_, image, rows.data(), first_column_ + 4 * chunk.first_group, chunk.groups, strip_);
      for (Index i = chunk.first; i < chunk.first + chunk.count; ++i) {
        const Span groups = taps_.spans[i];
        level_.across(strip_ + (groups.first - chunk.first_group) * kernels::strip_group_bytes, taps_.of(i),
                      groups.count, block + i * 3 * strip_rows);
      }
    }
  }

 private:
  const kernels::StripKernels& level_;
  PackedTaps taps_;
  Chunk* chunks_;
  Index chunk_count_;
  Index first_column_;
  Index block_bytes_;
  std::uint8_t* strip_;
};

/// Resizes across, then down. The taps' windows aren't empty, and across.stride is at most max_strip_pixels.
inline void resize_by_strips(const kernels::StripKernels& level, const ImageView& image, const Taps& across,
                             const Taps& down, Arena& arena, RowWriter write) {
  Arena::Frame frame(arena);
  const AcrossPass pass(level, across, frame);
  const PackedTaps down_packed = pack_taps(level, down, strip_rows / 4, frame);
  const Index first_row = down.spans[0].first;
  const Index last_row = down.spans[down.count - 1].first + down.spans[down.count - 1].count - 1;

  const Index bytes = across.count * 3, ring_blocks = down_packed.max_units;
  std::uint8_t* const ring = frame.take<std::uint8_t>(ring_blocks * pass.block_bytes());
  std::uint8_t* const out = frame.take<std::uint8_t>(bytes);
  const std::uint8_t** const blocks = frame.take<const std::uint8_t*>(ring_blocks);
  std::array<const std::uint8_t*, strip_rows> rows;
  Index next = 0;  // the first block that hasn't been made
  for (Index y = 0; y < down.count; ++y) {
    const Span span = down_packed.spans[y];
    next = std::max(next, span.first);
    for (; next < span.first + span.count; ++next) {
      for (Index r = 0; r < strip_rows; ++r) {
        rows[static_cast<std::size_t>(r)] = image.row(std::min(first_row + next * strip_rows + r, last_row));
      }
      pass.run(image, rows, ring + next % ring_blocks * pass.block_bytes());
    }
    for (Index i = 0; i < span.count; ++i) blocks[i] = ring + (span.first + i) % ring_blocks * pass.block_bytes();
    level.down(blocks, down_packed.of(y), span.count, bytes, out);
    write(y, out);
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
