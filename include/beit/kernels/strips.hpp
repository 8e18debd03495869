// The steps of Pillow's resize of 8-bit images in strips of 16 rows: a level's functions, and the layout of their
// memory.
//
// The image is resized across, rounded to bytes, and then resized down, with 16 rows side by side in the lanes of
// vectors: no sum is spread over lanes, and one broadcast of a tap's weight serves 16 rows. A lane of 32 bits holds
// four bytes that are weighted and added: four neighbouring pixels of one channel across, or four neighbouring rows of
// one column down.
//
// Where Pillow resizes down first, the step across weighs four rows instead of four pixels: of a stack, which holds 48
// neighbouring bytes of each row, whatever their channels. The rows that result are resized across as above.
//
//   strip  (groups, 3, 16, 4) bytes: [g][c][r][t] is channel c of pixel 4 g + t, counted from the strip's first, in
//          row r of the strip
//   stack  (groups, 48, 4) bytes: [g][i][t] is byte i, counted from the stack's first, of row 4 g + t
//   block  (columns, 16) bytes: [x][r] is column x, of the window's width * 3, in row r of the strip after the pass
//          across
//
// Sums are exact modulo 2^32: weights are split into parts that an instruction can multiply; parts may overflow, but
// the total fits, as it must in Pillow. A group of four taps may begin before an output's first tap; the extra ones
// have weight 0.
#pragma once

#include <cstdint>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Bits after the point of a tap's weight: 32, less 8 for a pixel, less 2 for sign and overshoot.
inline constexpr int weight_bits = 22;

inline constexpr Index strip_rows = 16;                         ///< Rows that are resized across together.
inline constexpr Index strip_group_bytes = 3 * strip_rows * 4;  ///< Bytes of a strip for four pixels of its rows.
inline constexpr Index tap_parts = 4;                           ///< Numbers of 32 bits that four taps are split into.

/// The steps of the resize on one level.
struct StripKernels {
  /// Splits the weights of four taps into parts, `stride` numbers apart.
  void (*split)(const std::int32_t* weights,         // (4)
                std::int32_t* parts, Index stride);  // (tap_parts)
  /// Fills `groups` groups of a strip: group g of row r from the 16 bytes at rows[r] + g * step, of which `shuffle`
  /// selects four red, four green and four blue values.
  void (*gather)(const std::uint8_t* const* rows,  // (16)
                 Index groups, Index step,         // in bytes
                 const std::uint8_t* shuffle,      // (16); 0x80 stands for a zero
                 std::uint8_t* strip);             // (groups, 3, 16, 4)
  /// Fills one group of `count` stacks, side by side, from 48 bytes for each at `rows`.
  void (*stack)(const std::uint8_t* const* rows,  // (4) pointers to (count, 48)
                Index count, Index stride,        // in bytes, from a stack to the next
                std::uint8_t* stacks);            // (count) groups (48, 4)
  /// Computes one output column of a strip's rows, or 48 bytes of one output row from a stack.
  void (*across)(const std::uint8_t* strip,         // (groups, 3, 16, 4)
                 const std::int32_t* weights,       // (groups, tap_parts)
                 Index groups, std::uint8_t* out);  // (3, 16)
  /// Computes one output row.
  void (*down)(const std::uint8_t* const* blocks,               // (count) pointers to (columns, 16)
               const std::int32_t* weights,                     // (count, tap_parts, 4)
               Index count, Index columns, std::uint8_t* out);  // (columns)
  std::uint8_t bias;  ///< A byte of a strip, a stack or a block is a pixel's xor this.
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
