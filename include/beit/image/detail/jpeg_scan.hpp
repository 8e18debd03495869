// Walks through the codes of a sequential JPEG's scan, to learn where each restart interval's data ends. stb_image
// loses the rest of the image if an interval has a few bytes too many, where libjpeg passes over them.
//
// Source: ITU T.81, and libjpeg's rule of resynchronisation (jdmarker.c).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Where a marker stands, after fill bytes, and its second byte; at the end of the file if there is none.
struct JpegMarker {
  std::size_t at = 0;
  std::uint8_t code = 0;
};

/// Finds the next marker in a scan's data from `at` on, where FF 00 stands for a byte of data.
inline JpegMarker next_jpeg_marker(Bytes bytes, std::size_t at) {
  for (; at + 1 < bytes.size(); ++at) {
    if (bytes[at] == 0xff && bytes[at + 1] != 0 && bytes[at + 1] != 0xff) return {at, bytes[at + 1]};
  }
  return {bytes.size(), 0};
}

/// Reads a scan's bits up to the next marker, and zeros from there on.
class JpegBits {
 public:
  JpegBits(Bytes bytes, std::size_t at) : bytes_(bytes), at_(at) {}

  std::size_t position() const { return at_; }  ///< The byte after those of which a bit was read.
  bool ended() const { return ended_; }         ///< Whether bits were read that don't exist.

  std::uint32_t bit() {
    if (left_ == 0) fill();
    return byte_ >> --left_ & 1u;
  }

  std::uint32_t take(std::uint32_t count) {
    std::uint32_t value = 0;
    for (; count > 0; --count) value = value << 1 | bit();
    return value;
  }

 private:
  void fill() {
    left_ = 8;
    byte_ = 0;
    const std::size_t next = at_ + 1;
    ended_ = ended_ || at_ >= bytes_.size() || (bytes_[at_] == 0xff && (next >= bytes_.size() || bytes_[next] != 0));
    if (ended_) return;
    byte_ = bytes_[at_];
    at_ += byte_ == 0xff ? 2 : 1;
  }

  Bytes bytes_;
  std::size_t at_;
  std::uint32_t byte_ = 0, left_ = 0;  // the current byte and how many of its bits are left
  bool ended_ = false;
};

/// Writes a scan's bits.
class JpegBitWriter {
 public:
  explicit JpegBitWriter(std::vector<std::uint8_t>& out) : out_(out) {}

  void put(std::uint32_t value, std::uint32_t count) {
    while (count > 0) {
      byte_ = byte_ << 1 | (value >> --count & 1u);
      if (++used_ < 8) continue;
      out_.push_back(static_cast<std::uint8_t>(byte_));
      if (byte_ == 0xff) out_.push_back(0);
      byte_ = used_ = 0;
    }
  }

  /// Fills the last byte up with ones.
  void finish() { put(0xff, (8 - used_) % 8); }

 private:
  std::vector<std::uint8_t>& out_;
  std::uint32_t byte_ = 0, used_ = 0;
};

/// One Huffman table.
class JpegCodes {
 public:
  JpegCodes() = default;
  /// Takes the numbers of codes of each length from 1 to 16, and then their values.
  explicit JpegCodes(Bytes table) : values_(table.begin() + 16, table.end()) {
    std::copy_n(table.begin(), 16, counts_.begin());
  }

  /// Reads a code's value; 0 for a code without one, after 17 bits, as in libjpeg.
  std::uint32_t read(JpegBits& bits) const {
    std::size_t code = 0, first = 0, before = 0;  // the first code of this length, and the values of shorter ones
    for (const std::size_t count : counts_) {
      code = code << 1 | bits.bit();
      first <<= 1;
      if (code >= first && code < first + count) return values_[before + code - first];
      first += count;
      before += count;
    }
    bits.bit();
    return 0;
  }

  /// Writes the code of a value, or nothing if there is none.
  void write(std::uint32_t value, JpegBitWriter& out) const {
    std::uint32_t code = 0, length = 0;
    std::size_t at = 0;
    for (const std::size_t count : counts_) {
      code <<= 1;
      ++length;
      for (std::size_t i = 0; i < count; ++i, ++code, ++at) {
        if (values_[at] == value) return out.put(code, length);
      }
    }
  }

 private:
  std::array<std::uint8_t, 16> counts_{};
  std::vector<std::uint8_t> values_;
};

/// The parts of a sequential JPEG's headers that say how a scan's data are laid out.
class JpegScan {
 public:
  void define_huffman(Bytes payload) {
    for (std::size_t at = 0; payload.size() - at >= 17;) {
      std::size_t codes = 0;
      for (std::size_t length = 1; length <= 16; ++length) codes += payload[at + length];
      if (payload.size() - at - 17 < codes) return;
      tables_[payload[at] >> 4 & 1][payload[at] & 3] = JpegCodes(payload.subspan(at + 1, 16 + codes));
      at += 17 + codes;
    }
  }

  void begin_frame(Bytes payload) {
    components_.clear();
    if (payload.size() < 6) return;
    height_ = big16(payload, 1);
    width_ = big16(payload, 3);
    for (std::size_t at = 6; at + 3 <= payload.size(); at += 3) {
      components_.push_back({payload[at], std::max(payload[at + 1] >> 4, 1), std::max(payload[at + 1] & 15, 1)});
    }
  }

  void set_interval(Bytes payload) { interval_ = payload.size() < 2 ? 0 : big16(payload, 0); }

  /// The units between two restart markers; 0 if there are none.
  std::size_t interval() const { return interval_; }
  std::size_t components() const { return components_.size(); }

  /// The number of restart markers in a scan's data.
  std::size_t restarts(Bytes header) const {
    std::vector<Block> blocks;
    const std::size_t units = plan(header, blocks);
    return interval_ == 0 || units == 0 ? 0 : (units - 1) / interval_;
  }

  /// Copies the scan's data from `at` on to `copy`: each interval's codes, then the restart marker that the next one
  /// wants. Missing data become grey, unless `whole_only` makes it stop there. Returns where the data ends, and sets
  /// `complete` to whether it was there for all pixels.
  std::size_t copy_data(Bytes bytes, std::size_t at, Bytes header, bool whole_only, std::vector<std::uint8_t>& copy,
                        bool& complete) const {
    std::vector<Block> blocks;
    std::size_t left = plan(header, blocks);
    std::uint8_t restart = 0xd0;
    complete = left > 0;
    for (;;) {
      JpegBits bits(bytes, at);
      JpegBitWriter out(copy);
      std::array<int, 4> dc{};  // the components' last values
      const std::size_t units = interval_ == 0 ? left : std::min(left, interval_);
      for (std::size_t i = 0; i < units; ++i) {
        const bool missing = bits.ended();
        complete = complete && !missing;
        if (missing && whole_only) return at;
        for (const Block& block : blocks) {
          missing ? write_grey(block, dc[block.component], out) : copy_block(block, dc[block.component], bits, out);
        }
      }
      complete = complete && !bits.ended();
      out.finish();
      at = bits.position();
      left -= units;
      if (left == 0 || !find_restart(bytes, restart, at)) {
        complete = complete && left == 0;
        return at;
      }
      append(copy, std::array<std::uint8_t, 2>{0xff, restart});
      restart = static_cast<std::uint8_t>(0xd0 | ((restart + 1) & 7));
    }
  }

 private:
  struct Component {
    std::uint8_t name;
    int across, down;  ///< The sampling factors.
  };
  struct Block {
    std::size_t component;
    const JpegCodes* dc;
    const JpegCodes* ac;
  };

  /// Lists the blocks of one unit of the scan, and returns the number of units.
  std::size_t plan(Bytes header, std::vector<Block>& blocks) const {
    int across = 1, down = 1;
    for (const Component& component : components_) {
      across = std::max(across, component.across);
      down = std::max(down, component.down);
    }
    const std::size_t count = header.empty() ? 0 : header[0];
    if (count > 4 || header.size() < 1 + 2 * count) return 0;
    const auto units = [](std::size_t size, int factor, int most) {  // blocks that cover a side
      const auto pixels = (size * static_cast<std::size_t>(factor) + static_cast<std::size_t>(most) - 1) /
                          static_cast<std::size_t>(most);
      return (pixels + 7) / 8;
    };
    std::size_t result = units(width_, 1, across) * units(height_, 1, down);
    for (std::size_t i = 0; i < count; ++i) {
      for (const Component& component : components_) {
        if (component.name != header[1 + 2 * i]) continue;
        const std::uint8_t tables = header[2 + 2 * i];
        const Block block{i, &tables_[0][tables >> 4 & 3], &tables_[1][tables & 3]};
        blocks.insert(blocks.end(), count == 1 ? 1 : static_cast<std::size_t>(component.across * component.down),
                      block);
        if (count == 1) result = units(width_, component.across, across) * units(height_, component.down, down);
        break;
      }
    }
    return blocks.empty() ? 0 : result;
  }

  static void copy_block(const Block& block, int& dc, JpegBits& bits, JpegBitWriter& out) {
    const std::uint32_t bits_of_dc = block.dc->read(bits) & 15, difference = bits.take(bits_of_dc);
    block.dc->write(bits_of_dc, out);
    out.put(difference, bits_of_dc);
    if (bits_of_dc > 0) {
      const int half = 1 << (bits_of_dc - 1), value = static_cast<int>(difference);
      dc += value >= half ? value : value - 2 * half + 1;
    }
    for (std::uint32_t k = 1; k < 64; ++k) {
      const std::uint32_t value = block.ac->read(bits), size = value & 15, run = value >> 4;
      block.ac->write(value, out);
      if (size == 0 && run != 15) return;
      k += run;
      out.put(bits.take(size), size);
    }
  }

  /// Writes a block without any coefficient, which libjpeg makes of missing data.
  static void write_grey(const Block& block, int& dc, JpegBitWriter& out) {
    const std::size_t bits = std::bit_width(static_cast<std::uint32_t>(std::abs(dc)));
    const auto size = static_cast<std::uint32_t>(bits);
    block.dc->write(size, out);
    out.put(static_cast<std::uint32_t>(dc > 0 ? -dc + (1 << size) - 1 : -dc), size);
    dc = 0;
    block.ac->write(0, out);
  }

  /// Moves `at` to the data of the interval that begins with the marker `wanted`: behind that, or before a later
  /// marker, which leaves the interval empty. Returns false at the end of the file.
  static bool find_restart(Bytes bytes, std::uint8_t wanted, std::size_t& at) {
    for (;;) {
      const JpegMarker marker = next_jpeg_marker(bytes, at);
      if (marker.code == 0) return false;
      const bool is_restart = marker.code >= 0xd0 && marker.code <= 0xd7;
      const int ahead = (marker.code - wanted) & 7;
      at = marker.at;
      if (marker.code >= 0xc0 && (!is_restart || ahead == 1 || ahead == 2)) return true;
      at += 2;
      if (is_restart && ahead != 6 && ahead != 7) return true;
    }
  }

  std::size_t width_ = 0, height_ = 0, interval_ = 0;
  std::vector<Component> components_;
  std::array<std::array<JpegCodes, 4>, 2> tables_;  // DC, AC
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
