// Decompresses zlib streams, as strictly as zlib does.
//
// Source: RFC 1950 (zlib) and RFC 1951 (deflate).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bit_reader.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/huffman.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Continues an Adler-32 checksum, which begins with 1.
inline std::uint32_t adler32(std::uint32_t adler, Bytes bytes) {
  constexpr std::uint32_t modulus = 65521;
  std::uint32_t sum = adler & 0xffff, sums = adler >> 16;
  while (!bytes.empty()) {
    const std::size_t count = std::min<std::size_t>(bytes.size(), 5552);  // the sums stay below 2^32
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      const std::uint8_t* b = bytes.data() + i;
      sums += 8 * sum + (8u * b[0] + 7u * b[1] + 6u * b[2] + 5u * b[3]) + (4u * b[4] + 3u * b[5] + 2u * b[6] + b[7]);
      sum += (std::uint32_t{b[0]} + b[1] + b[2] + b[3]) + (std::uint32_t{b[4]} + b[5] + b[6] + b[7]);
    }
    for (; i < count; ++i) sums += sum += bytes[i];
    sum %= modulus;
    sums %= modulus;
    bytes = bytes.subspan(count);
  }
  return sums << 16 | sum;
}

/// Decompresses a zlib stream piece by piece, in little memory.
class Inflater {
 public:
  /// Reads `stream`, which must stay alive, in pieces of at most `max_piece` bytes.
  Inflater(Bytes stream, std::size_t max_piece)
      : in_(stream), end_(window + std::max(max_piece, ahead)), buffer_(end_ + slack) {
    const std::uint32_t method = take(8), flags = take(8);
    const bool has_dictionary = (flags & 0x20) != 0;
    if (running() && ((method << 8 | flags) % 31 != 0 || (method & 15) != 8 || method >> 4 > 7 || has_dictionary)) {
      state_ = State::damaged;
    }
  }

  /// Returns the next `count` bytes, or fewer where the stream ends or can't be read. They are valid until the next
  /// call.
  Bytes next(std::size_t count) {
    if (written_ - read_ < count) {
      if (read_ + count > end_) slide();
      inflate(end_);
    }
    const std::size_t found = std::min(count, written_ - read_);
    read_ += found;
    return Bytes(buffer_).subspan(read_ - found, found);
  }

  /// Reads on to the stream's end, unless further bytes come before it. Returns false if zlib would refuse that; a copy
  /// from too far away counts as further bytes.
  bool finish() {
    if (read_ == end_) slide();
    if (written_ == read_) inflate(read_ + 1);
    return written_ > read_ || state_ != State::damaged;
  }

  bool ended() const { return state_ == State::ended; }      ///< Whether the stream has ended, with its checksum.
  bool damaged() const { return state_ >= State::too_far; }  ///< Whether zlib would refuse the stream.

 private:
  enum class State { between_blocks, stored, compressed, ended, truncated, too_far, damaged };

  static constexpr std::size_t window = 32768;  // the greatest distance of a copy
  static constexpr std::size_t ahead = 131072;  // bytes that are decompressed at once, few enough for a near cache
  static constexpr std::size_t slack = 512;     // bytes written past a limit: some literals and a copy

  bool running() const { return state_ < State::ended; }

  /// Moves the bytes that are still needed to the buffer's beginning.
  void slide() {
    const std::size_t from = std::min(read_, written_ > window ? written_ - window : 0);
    std::memmove(buffer_.data(), buffer_.data() + from, written_ - from);
    read_ -= from;
    written_ -= from;
  }

  /// Decompresses until the buffer holds `limit` bytes or more, or the stream ends.
  void inflate(std::size_t limit) {
    const std::size_t from = written_;
    bool checksum_is_next = false;
    while (running() && written_ < limit && !checksum_is_next) {
      if (state_ == State::compressed) {
        copy_compressed(limit);
      } else if (state_ == State::stored) {
        copy_stored(limit);
      } else if (is_last_) {
        checksum_is_next = true;
      } else {
        begin_block();
      }
    }
    adler_ = adler32(adler_, Bytes(buffer_).subspan(from, written_ - from));
    if (checksum_is_next) check_adler();
  }

  /// Takes at most 16 bits; returns 0 and ends a stream that has fewer.
  BEIT_COLD std::uint32_t take(std::uint32_t count) {
    if (in_.count() < count) in_.refill();
    if (in_.count() < count) state_ = State::truncated;
    return running() ? in_.take(count << 8) : 0;
  }

  BEIT_COLD void begin_block() {
    is_last_ = take(1) != 0;
    const std::uint32_t type = take(2);
    if (!running()) return;
    if (type == 0) {
      in_ = BitReader(in_.bytes());
      stored_left_ = take(16);
      const std::uint32_t complement = take(16);
      if (!running()) return;
      in_ = BitReader(in_.bytes());
      state_ = (stored_left_ ^ complement) == 0xffff ? State::stored : State::damaged;
    } else if (type == 1) {
      std::array<std::uint8_t, 288 + 32> lengths;
      for (std::size_t i = 0; i < 288; ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
      std::fill_n(lengths.begin() + 288, 32, std::uint8_t{5});
      build_tables(lengths, 288);
    } else if (type == 2) {
      read_code_lengths();
    } else {
      state_ = State::damaged;
    }
  }

  BEIT_COLD void build_tables(std::span<const std::uint8_t> lengths, std::size_t literals) {
    const bool built = literals_.build(lengths.first(literals), deflate_symbols.literals.data(), true) &&
                       distances_.build(lengths.subspan(literals), deflate_symbols.distances.data(), true);
    state_ = built ? State::compressed : State::damaged;
  }

  BEIT_COLD void read_code_lengths() {
    constexpr std::array<std::uint8_t, 19> order{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    const std::size_t literals = 257 + take(5), count = literals + 1 + take(5), codes = 4 + take(4);
    if (!running()) return;
    state_ = State::damaged;  // unless all goes well
    if (literals > 286 || count - literals > 30) return;
    state_ = State::between_blocks;
    std::array<std::uint8_t, 19> code_lengths{};
    for (std::size_t i = 0; i < codes; ++i) code_lengths[order[i]] = static_cast<std::uint8_t>(take(3));
    if (!running()) return;
    state_ = State::damaged;
    HuffmanTable<7, 19> table;
    if (!table.build(code_lengths, deflate_symbols.lengths.data(), false)) return;
    std::array<std::uint8_t, 286 + 30> lengths{};
    for (std::size_t i = 0; i < count;) {
      in_.refill();
      const HuffmanEntry entry = table.find(in_.bits());
      if (!in_.has(entry)) {
        state_ = State::truncated;
        return;
      }
      const std::uint32_t symbol = entry >> 16, value = in_.take(entry);
      const std::size_t times = symbol < 16 ? 1 : value - symbol + (symbol == 18 ? 11 : 3);
      if ((symbol == 16 && i == 0) || times > count - i) return;
      const std::uint8_t length = symbol < 16 ? static_cast<std::uint8_t>(symbol) : symbol == 16 ? lengths[i - 1] : 0;
      for (const std::size_t end = i + times; i < end; ++i) lengths[i] = length;
    }
    if (lengths[256] != 0) build_tables(std::span(lengths).first(count), literals);  // else no block would end
  }

  void copy_stored(std::size_t limit) {
    const Bytes left = in_.bytes();
    const std::size_t count = std::min({stored_left_, limit - written_, left.size()});
    std::copy_n(left.data(), count, buffer_.data() + written_);
    in_ = BitReader(left.subspan(count));
    written_ += count;
    stored_left_ -= count;
    if (stored_left_ == 0) {
      state_ = State::between_blocks;
    } else if (count == left.size()) {
      state_ = State::truncated;
    }
  }

  void copy_compressed(std::size_t limit) {
    BitReader in = in_;  // a copy, which no byte written can change, stays in registers
    std::uint8_t* const begin = buffer_.data();
    std::uint8_t* out = begin + written_;
    while (running() && out < begin + limit) {
      in.refill();
      HuffmanEntry entry = literals_.begin(in.bits());
      // Takes literals as long as the bits surely hold the next code.
      while ((entry & huffman_literal) != 0 && in.count() >= 2 * huffman_max_length) {
        *out++ = static_cast<std::uint8_t>(entry >> 16);
        in.drop(entry & 31);
        entry = literals_.begin(in.bits());
      }
      entry = literals_.whole(entry, in.bits());
      in.refill();
      const HuffmanEntry kind = entry & (huffman_literal | huffman_invalid);
      if (!in.has(entry)) {
        state_ = State::truncated;
      } else if (kind == huffman_literal) {
        *out++ = static_cast<std::uint8_t>(in.take(entry));
      } else if (kind != 0) {
        in.take(entry);
        state_ = kind == huffman_end ? State::between_blocks : State::damaged;
        break;
      } else {
        const std::size_t length = in.take(entry);
        entry = distances_.find(in.bits());
        if (!in.has(entry)) {
          state_ = State::truncated;
          break;
        }
        const std::size_t distance = in.take(entry);
        const bool is_too_far = distance > static_cast<std::size_t>(out - begin);
        if ((entry & huffman_invalid) != 0 || is_too_far) {
          state_ = (entry & huffman_invalid) != 0 ? State::damaged : State::too_far;
          break;
        }
        repeat(out, distance, length);
        out += length;
      }
    }
    written_ = static_cast<std::size_t>(out - begin);
    in_ = in;
  }

  /// Copies `length` bytes from `distance` bytes before, which may be bytes just copied. May write 7 bytes more.
  static void repeat(std::uint8_t* out, std::size_t distance, std::size_t length) {
    const std::uint8_t* const from = out - distance;
    if (distance >= 8) {
      for (std::size_t i = 0; i < length; i += 8) std::memcpy(out + i, from + i, 8);
    } else {
      for (std::size_t i = 0; i < length; ++i) out[i] = from[i];
    }
  }

  BEIT_COLD void check_adler() {
    const Bytes left = in_.bytes();
    if (left.size() < 4) {
      state_ = State::truncated;
    } else {
      state_ = big32(left, 0) == adler_ ? State::ended : State::damaged;
    }
  }

  BitReader in_;
  State state_ = State::between_blocks;
  bool is_last_ = false;  // whether the block that has begun is the last one
  std::size_t stored_left_ = 0;
  HuffmanTable<11, 288> literals_;
  HuffmanTable<8, 32> distances_;
  std::size_t end_;                   // where the buffer's slack begins
  std::vector<std::uint8_t> buffer_;  // what may be copied again, and what hasn't been returned yet
  std::size_t read_ = 0, written_ = 0;
  std::uint32_t adler_ = 1;
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
