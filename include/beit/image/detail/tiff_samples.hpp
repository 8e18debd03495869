// Turns rows of a TIFF's samples into RGB as Pillow's convert("RGB") does.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/lab.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The format of a pixel's samples, by the values of TIFF's tags.
struct TiffSamples {
  enum Photometric : std::uint32_t {
    white_is_zero = 0,
    black_is_zero = 1,
    rgb = 2,
    indexed = 3,
    cmyk = 5,
    ycbcr = 6,
    lab = 8
  };
  enum Format : std::uint32_t { unsigned_int = 1, signed_int = 2, floating = 3 };

  std::uint32_t photometric = white_is_zero;
  std::uint32_t bits = 1;  ///< Bits per sample: 1, 2, 4, 8, 12, 16 or 32, the latter two in this machine's byte order.
  std::uint32_t count = 1;
  std::uint32_t format = unsigned_int;
  bool associated_alpha = false;                           ///< The colours are multiplied by the first extra sample.
  std::array<std::array<std::uint8_t, 3>, 256> palette{};  ///< The colours of `indexed`.
  std::vector<std::uint16_t> grid{};                       ///< lab_grid() for `lab`.

  /// Whether to_rgb supports them, which are the kinds that Pillow reads.
  bool are_read() const {
    const bool small = bits == 1 || bits == 2 || bits == 4 || bits == 8;
    if (format != unsigned_int) {
      const bool is_signed =
          format == signed_int && (bits == 16 || bits == 32 || (bits == 8 && photometric == black_is_zero));
      return count == 1 && photometric <= black_is_zero && (is_signed || (format == floating && bits == 32));
    }
    switch (photometric) {
      case white_is_zero:
        return count == 1 && (small || bits == 16);
      case black_is_zero:
        return (count == 1 && (small || bits == 12 || bits == 16 || bits == 32)) || (count == 2 && bits == 8);
      case indexed:
        return (count == 1 && small) || (count == 2 && bits == 8);
      case rgb:
        return (bits == 8 && count >= 3 && count <= 6) || (bits == 16 && (count == 3 || count == 4));
      case cmyk:
        return (bits == 8 && count >= 4 && count <= 6) || (bits == 16 && count == 4);
      case ycbcr:
      case lab:
        return bits == 8 && count == 3;
      default:
        return false;
    }
  }

  /// Describes the samples for messages.
  std::string description() const {
    return std::to_string(count) + (count == 1 ? " sample of " : " samples of ") + std::to_string(bits) +
           " bits (photometric interpretation " + std::to_string(photometric) + ", sample format " +
           std::to_string(format) + ")";
  }

  /// Converts a row: samples lie side by side, or, if plane_bytes isn't 0, that many bytes apart in planes.
  void to_rgb(const std::uint8_t* row, std::size_t plane_bytes, Index width, std::uint8_t* out) const {  // (width, 3)
    const std::size_t step = plane_bytes == 0 ? count : 1;
    for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x, out += 3) {
      const auto byte = [&](std::size_t sample) {
        return plane_bytes == 0 ? high_byte(row, x * step + sample) : high_byte(row + sample * plane_bytes, x);
      };
      if (photometric == rgb) {
        for (std::size_t c = 0; c < 3; ++c) out[c] = byte(c);
        if (associated_alpha && count > 3) divide(out, byte(3));
      } else if (photometric == cmyk) {
        const int rest = 255 - byte(3);
        for (std::size_t c = 0; c < 3; ++c) {
          const int product = byte(c) * rest + 128;
          out[c] = static_cast<std::uint8_t>(rest - (((product >> 8) + product) >> 8));
        }
      } else if (photometric == ycbcr) {
        from_ycbcr(byte(0), byte(1), byte(2), out);
      } else if (photometric == lab) {  // a and b are signed
        lab_to_rgb(grid, {byte(0), static_cast<std::uint8_t>(byte(1) ^ 128), static_cast<std::uint8_t>(byte(2) ^ 128)},
                   out);
      } else if (photometric == indexed) {
        std::copy_n(palette[bits < 8 ? packed(row, x) : row[x * step]].data(), 3, out);
      } else {
        std::fill_n(out, 3, grey(row, x * step));
      }
    }
  }

 private:
  /// Reads a sample of fewer than 8 bits.
  std::uint32_t packed(const std::uint8_t* row, std::size_t i) const {
    const std::size_t per_byte = 8 / bits;
    return std::uint32_t{row[i / per_byte]} >> (8 - bits * (i % per_byte + 1)) & ((1u << bits) - 1);
  }

  template <typename Value>
  static Value value(const std::uint8_t* row, std::size_t i) {
    Value found;
    std::memcpy(&found, row + i * sizeof found, sizeof found);
    return found;
  }

  /// Reads the upper 8 bits of a sample of 12.
  static std::uint8_t high_of_12(const std::uint8_t* row, std::size_t i) {
    const std::uint8_t* const pair = row + i / 2 * 3;
    return i % 2 == 0 ? pair[0] : static_cast<std::uint8_t>((pair[1] & 15) << 4 | pair[2] >> 4);
  }

  /// Reads a sample of 8 bits, or the upper 8 of 16.
  std::uint8_t high_byte(const std::uint8_t* row, std::size_t i) const {
    return bits == 16 ? static_cast<std::uint8_t>(value<std::uint16_t>(row, i) >> 8) : row[i];
  }

  template <typename Value>
  static std::uint8_t clip(Value x) {
    return x >= Value{255} ? std::uint8_t{255} : x > Value{0} ? static_cast<std::uint8_t>(x) : std::uint8_t{0};
  }

  /// Reads a grey value. Numbers that aren't fractions of white are clipped, as in Pillow; unsigned 12 and 16 bits,
  /// which it clips, too, are scaled, as those of PNG are. Like Pillow, shows 16 bits of which white is 0 as if black
  /// were.
  std::uint8_t grey(const std::uint8_t* row, std::size_t i) const {
    if (format == floating) return clip(value<float>(row, i));
    if (format == signed_int && bits > 8) {
      return bits == 16 ? clip(int{value<std::int16_t>(row, i)}) : clip(value<std::int32_t>(row, i));
    }
    // Pillow treats these as signed numbers.
    if (bits == 32) return clip(value<std::int32_t>(row, i));
    if (bits == 12) return high_of_12(row, i);
    const std::uint8_t level =
        bits < 8 ? static_cast<std::uint8_t>(packed(row, i) * (255 / ((1u << bits) - 1))) : high_byte(row, i);
    return photometric == white_is_zero && bits <= 8 ? static_cast<std::uint8_t>(255 - level) : level;
  }

  /// Rounds to 64ths as Pillow's tables do.
  static void from_ycbcr(int y, int cb, int cr, std::uint8_t* out) {  // (3)
    const auto part = [](int difference, double factor) { return static_cast<int>(difference * factor * 64 + 0.5); };
    const std::array<int, 3> levels{part(cr - 128, 1.402), part(cb - 128, -0.34414) + part(cr - 128, -0.71414),
                                    part(cb - 128, 1.772)};
    for (std::size_t c = 0; c < 3; ++c) out[c] = clip(y + (levels[c] >> 6));
  }

  static void divide(std::uint8_t* colour, int alpha) {
    for (std::size_t c = 0; c < 3; ++c) {
      colour[c] = alpha == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(std::min(255, colour[c] * 255 / alpha));
    }
  }
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
