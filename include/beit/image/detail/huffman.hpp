// Deflate's symbols, and tables that decode their Huffman codes.
//
// Source: RFC 1951, section 3.2.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The meaning of a code, in 32 bits: its length in bits 0 to 4, a kind in bits 5 to 7, the number of further bits
/// that are added to the value in bits 8 to 12, and the value in bits 16 to 31.
using HuffmanEntry = std::uint32_t;
inline constexpr HuffmanEntry huffman_literal = 1 << 5;  ///< The value is a byte.
inline constexpr HuffmanEntry huffman_longer = 1 << 6;   ///< The value is the place of a table for the further bits.
inline constexpr HuffmanEntry huffman_end = 1 << 7;      ///< The block's end.
inline constexpr HuffmanEntry huffman_invalid = 3 << 6;  ///< No symbol has this code.
inline constexpr int huffman_max_length = 15;            ///< Bits of the longest code.

/// A table indexed by the next `RootBits` bits. Longer codes continue in tables behind it. At most `MaxSymbols` codes.
template <int RootBits, int MaxSymbols>
class HuffmanTable {
 public:
  /// Builds the table from the lengths of codes, 0 for symbols without one, and the meaning of each symbol: an entry
  /// without a length. Returns false for lengths that zlib refuses: of more codes than there are, or of fewer, unless
  /// `allow_single` is set and the only code has one bit.
  BEIT_COLD bool build(std::span<const std::uint8_t> lengths, const HuffmanEntry* meanings, bool allow_single) {
    std::array<int, huffman_max_length + 1> count{};
    for (const std::uint8_t length : lengths) ++count[length];
    count[0] = 0;
    int left = 1, longest = 0;
    std::array<std::uint32_t, huffman_max_length + 1> next{};  // the next code of each length
    for (std::size_t length = 1; length <= huffman_max_length; ++length) {
      next[length] = (next[length - 1] + static_cast<std::uint32_t>(count[length - 1])) << 1;
      left = 2 * left - count[length];
      if (left < 0) return false;
      if (count[length] > 0) longest = static_cast<int>(length);
    }
    if (left > 0 && !(allow_single && longest <= 1)) return false;

    std::fill_n(entries_.begin(), root_size, huffman_invalid | 1);
    std::array<std::uint16_t, static_cast<std::size_t>(MaxSymbols)> codes{};  // the first bit lowest
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      const std::uint32_t length = lengths[symbol];
      if (length == 0) continue;
      std::uint32_t code = next[length]++, reversed = 0;
      for (std::uint32_t bit = 0; bit < length; ++bit, code >>= 1) reversed = reversed << 1 | (code & 1);
      codes[symbol] = static_cast<std::uint16_t>(reversed);
      // Notes the longest code behind each entry of the root.
      HuffmanEntry& root = entries_[reversed & (root_size - 1)];
      if (length > RootBits && (root >> 8 & 31) < length - RootBits) root = huffman_longer | (length - RootBits) << 8;
    }
    std::size_t used = root_size;
    for (std::size_t i = 0; i < root_size; ++i) {
      if (entries_[i] == (huffman_invalid | 1)) continue;
      const std::size_t size = std::size_t{1} << (entries_[i] >> 8 & 31);
      entries_[i] |= static_cast<HuffmanEntry>(used << 16);
      used += size;
    }
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      const std::uint32_t length = lengths[symbol];
      if (length == 0) continue;
      std::size_t first = codes[symbol], end = root_size, step = std::size_t{1} << length;
      if (length > RootBits) {
        const HuffmanEntry root = entries_[first & (root_size - 1)];
        first = (root >> 16) + (first >> RootBits);
        end = (root >> 16) + (std::size_t{1} << (root >> 8 & 31));
        step >>= RootBits;
      }
      for (std::size_t i = first; i < end; i += step) entries_[i] = meanings[symbol] | length;
    }
    return true;
  }

  /// The entry for the code at the beginning of these bits, the first bit lowest, or for the beginning of a longer
  /// code.
  HuffmanEntry begin(std::uint64_t bits) const { return entries_[bits & (root_size - 1)]; }

  /// The entry for the whole code at the beginning of these bits, of which `begin` has given this entry.
  HuffmanEntry whole(HuffmanEntry begin, std::uint64_t bits) const {
    if ((begin & huffman_invalid) != huffman_longer) return begin;
    return entries_[(begin >> 16) + (bits >> RootBits & ((1u << (begin >> 8 & 31)) - 1))];
  }
  HuffmanEntry find(std::uint64_t bits) const { return whole(begin(bits), bits); }

 private:
  static constexpr std::size_t root_size = std::size_t{1} << RootBits;
  // Each table behind the root's has at least two codes, and at most as many entries as the longest code needs.
  std::array<HuffmanEntry, root_size + (static_cast<std::size_t>(MaxSymbols / 2) << (huffman_max_length - RootBits))>
      entries_;
};

/// The meanings of deflate's symbols: of literals and lengths, of distances, and of the lengths of codes.
struct DeflateSymbols {
  std::array<HuffmanEntry, 288> literals{};
  std::array<HuffmanEntry, 32> distances{};
  std::array<HuffmanEntry, 19> lengths{};

  constexpr DeflateSymbols() {
    for (std::uint32_t i = 0; i < 256; ++i) literals[i] = i << 16 | huffman_literal;
    literals[256] = huffman_end;
    std::uint32_t length = 3, distance = 1;
    for (std::uint32_t i = 0; i < 28; ++i) {
      const std::uint32_t extra = i < 8 ? 0 : i / 4 - 1;
      literals[257 + i] = length << 16 | extra << 8;
      length += 1u << extra;
    }
    literals[285] = 258u << 16;
    literals[286] = literals[287] = distances[30] = distances[31] = huffman_invalid;
    for (std::uint32_t i = 0; i < 30; ++i) {
      const std::uint32_t extra = i < 4 ? 0 : i / 2 - 1;
      distances[i] = distance << 16 | extra << 8;
      distance += 1u << extra;
    }
    for (std::uint32_t i = 0; i < 19; ++i) lengths[i] = i << 16 | (i < 16 ? 0u : i == 16 ? 2u : i == 17 ? 3u : 7u) << 8;
  }
};
inline constexpr DeflateSymbols deflate_symbols;

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
