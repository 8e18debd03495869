// Reads the bits of deflate's streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/huffman.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Reads a stream's bits, the lowest of each byte first.
class BitReader {
 public:
  explicit BitReader(Bytes bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint64_t bits() const { return bits_; }    ///< The next bits, the first one lowest.
  std::uint32_t count() const { return count_; }  ///< How many of them are sure to be the stream's.

  /// Fetches bytes until `count` is at least 56, or the stream ends.
  void refill() {
    if (end_ - next_ >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, next_, 8);
      bits_ |= word << count_;
      next_ += (63 - count_) >> 3;
      count_ |= 56;
    } else {
      for (; count_ < 56 && next_ < end_; count_ += 8) bits_ |= std::uint64_t{*next_++} << count_;
    }
  }

  void drop(std::uint32_t count) {
    bits_ >>= count;
    count_ -= count;
  }

  bool has(HuffmanEntry entry) const { return (entry & 31) + (entry >> 8 & 31) <= count_; }

  /// Drops the bits of an entry that `bits` begins with. Returns its value with the further bits added.
  std::uint32_t take(HuffmanEntry entry) {
    const std::uint32_t length = entry & 31, extra = entry >> 8 & 31;
    const std::uint32_t more = static_cast<std::uint32_t>(bits_ >> length) & ((1u << extra) - 1);
    drop(length + extra);
    return (entry >> 16) + more;
  }

  /// The bytes from the next whole one on.
  Bytes bytes() const {
    const std::uint8_t* const from = next_ - (count_ >> 3);
    return {from, static_cast<std::size_t>(end_ - from)};
  }

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
  std::uint64_t bits_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
