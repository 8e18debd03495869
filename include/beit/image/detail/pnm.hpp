// Reads PBM, PGM and PPM, in text (P1 to P3) and binary (P4 to P6), and grey PFM (Pf), without stb_image, which knows
// only P5 and P6 and ignores the largest value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/bit_cast.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

struct PnmHeader {
  Index channels = 0;  ///< 1 or 3
  bool text = false;   ///< Values are decimal numbers.
  bool bits = false;   ///< Values are bits, 1 for black; binary rows are padded to whole bytes.
  Size size;
  Index max_value = 1;   ///< 1 to 65535; above 255, values have two bytes, high byte first.
  std::size_t data = 0;  ///< The offset of the pixels.
};

// Check a format's letters in text and in binary.
inline bool is_pbm(Bytes bytes) { return has_one_of(bytes, 0, {"P1", "P4"}); }
inline bool is_pgm(Bytes bytes) { return has_one_of(bytes, 0, {"P2", "P5"}); }
inline bool is_ppm(Bytes bytes) { return has_one_of(bytes, 0, {"P3", "P6"}); }
inline bool is_pfm(Bytes bytes) { return starts_with(bytes, "Pf"); }

/// Reads a PNM file's numbers in text, which spaces and comments separate.
class PnmText {
 public:
  PnmText(const ImageFile& file, std::size_t begin) : file_(file), at_(begin) {}

  std::size_t position() const { return at_; }

  /// Reads the next digit, 0 or 1, which needs no space after it.
  bool bit() {
    skip_spaces("pixels");
    const std::uint8_t digit = file_.bytes[at_++];
    if (digit != '0' && digit != '1') file_.fail("damaged PNM: found a pixel that is neither 0 nor 1");
    return digit == '1';
  }

  /// Reads the next number, which a space must follow unless the file may end there.
  Index number(const char* what, bool may_end = false) {
    skip_spaces(what);
    const Bytes bytes = file_.bytes;
    Index value = 0;
    std::size_t digits = 0;
    for (; at_ < bytes.size() && bytes[at_] >= '0' && bytes[at_] <= '9'; ++at_) {
      if (++digits > 9) file_.fail(std::string("damaged PNM: found more than 9 digits for its ") + what);
      value = value * 10 + (bytes[at_] - '0');
    }
    if (!may_end) file_.require(at_, 1, what);
    const bool ends = at_ == bytes.size() || is_space(bytes[at_]) || (may_end && bytes[at_] == '#');
    if (digits == 0 || !ends) file_.fail(std::string("damaged PNM: found no number for its ") + what);
    return value;
  }

  /// Reads a number with a sign and a fraction, and returns whether it is negative. Throws ImageError for zero.
  bool is_negative(const char* what) {
    skip_spaces(what);
    const Bytes bytes = file_.bytes;
    const bool negative = bytes[at_] == '-';
    if (negative || bytes[at_] == '+') ++at_;
    bool is_number = true, is_zero = true, has_exponent = false;
    for (; at_ < bytes.size() && !is_space(bytes[at_]); ++at_) {
      const char c = static_cast<char>(bytes[at_]);
      if (c == 'e' || c == 'E') has_exponent = true;
      is_number = is_number && (c == '.' || (c >= '0' && c <= '9') || has_exponent);
      is_zero = is_zero && (has_exponent || c == '0' || c == '.');
    }
    if (!is_number || is_zero) {
      file_.fail(std::string("damaged PNM: found no number other than 0 for its ") + what);
    }
    return negative;
  }

  static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

 private:
  /// Skips spaces and comments.
  void skip_spaces(const char* what) {
    for (;; ++at_) {
      file_.require(at_, 1, what);
      if (file_.bytes[at_] == '#') {
        while (file_.bytes[at_] != '\n' && file_.bytes[at_] != '\r') file_.require(++at_, 1, what);
      } else if (!is_space(file_.bytes[at_])) {
        return;
      }
    }
  }

  const ImageFile& file_;
  std::size_t at_;
};

inline void require_space_after_letters(const ImageFile& file) {
  if (file.bytes.size() > 2 && !PnmText::is_space(file.bytes[2])) {
    file.fail("damaged PNM: found no space after its first two letters");
  }
}

BEIT_COLD inline PnmHeader read_pnm_header(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  PnmHeader header;
  header.text = bytes[1] <= '3';
  header.bits = bytes[1] == '1' || bytes[1] == '4';
  header.channels = bytes[1] == '3' || bytes[1] == '6' ? 3 : 1;
  require_space_after_letters(file);
  PnmText text(file, 2);
  header.size.width = text.number("width");
  header.size.height = text.number("height");
  if (!header.bits) header.max_value = text.number("largest value");
  header.data = text.position() + 1;
  if (header.max_value < 1 || header.max_value > 65535) {
    file.fail(concat({"damaged PNM: found a largest value of ", header.max_value, ", wanted 1 to 65535"}));
  }
  return header;
}

/// Reads black and white pixels: the bits of a binary row from the highest on, or digits.
inline Image read_pbm(const ImageFile& file, const PnmHeader& header) {
  const auto width = static_cast<std::size_t>(header.size.width), height = static_cast<std::size_t>(header.size.height);
  const std::size_t row_bytes = (width + 7) / 8;
  file.require(header.data, header.text ? width * height : row_bytes * height, "pixels");
  PnmText text(file, header.data);
  Image image(header.size.height, header.size.width);
  std::uint8_t* out = image.data();
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x, out += 3) {
      const bool black =
          header.text ? text.bit() : (file.bytes[header.data + y * row_bytes + x / 8] >> (7 - x % 8) & 1) != 0;
      std::fill_n(out, 3, static_cast<std::uint8_t>(black ? 0 : 255));
    }
  }
  return image;
}

/// Reads the pixels, scaled as in Pillow's PpmDecoder; 16-bit grey, which Pillow clips to white, is reduced to its high
/// byte.
inline Image read_pgm_or_ppm(const ImageFile& file, const PnmHeader& header) {
  const std::size_t value_bytes = header.max_value > 255 ? 2 : 1;
  const std::size_t count = static_cast<std::size_t>(header.size.area() * header.channels);
  // Text has at least one digit per value and a space between two values.
  file.require(header.data, header.text ? 2 * count - 1 : count * value_bytes, "pixels");

  const bool grey16 = header.channels == 1 && value_bytes == 2;
  std::vector<std::uint8_t> scaled(value_bytes == 2 ? 65536 : 256);
  for (std::size_t value = 0; value < scaled.size(); ++value) {
    const double fraction = static_cast<double>(value) / static_cast<double>(header.max_value);
    const double largest = grey16 ? 65535.0 : 255.0;
    const auto level = static_cast<std::uint32_t>(std::min(largest, round_half_even(fraction * largest)));
    scaled[value] = static_cast<std::uint8_t>(grey16 ? level >> 8 : level);
  }

  Image image(header.size.height, header.size.width);
  const Bytes data = file.bytes.subspan(header.data);
  PnmText text(file, header.data);
  std::uint8_t* out = image.data();
  const std::size_t repeats = header.channels == 1 ? 3 : 1;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t value = 0;
    if (header.text) {
      value = static_cast<std::size_t>(text.number("pixels", true));
      if (value > static_cast<std::size_t>(header.max_value)) {
        file.fail(concat({"damaged PNM: found a value of ", value, ", wanted at most ", header.max_value}));
      }
    } else {
      value = value_bytes == 2 ? big16(data, 2 * i) : data[i];
    }
    for (std::size_t c = 0; c < repeats; ++c) *out++ = scaled[value];
  }
  return image;
}

inline Decoded decode_pnm(const ImageFile& file, const DecodeOptions& options) {
  const PnmHeader header = read_pnm_header(file);
  check_size(file, header.size.height, header.size.width, options.max_pixels);
  return {header.bits ? read_pbm(file, header) : read_pgm_or_ppm(file, header)};
}

/// Reads PFM: floats of a grey image, whose rows go from the bottom to the top, clipped to 0 and 255 and rounded down,
/// as in Pillow. A negative scale means that the lowest byte comes first.
inline Decoded decode_pfm(const ImageFile& file, const DecodeOptions& options) {
  require_space_after_letters(file);
  PnmText text(file, 2);
  const Index width = text.number("width"), height = text.number("height");
  const bool little = text.is_negative("scale");
  const std::size_t data = text.position() + 1;
  check_size(file, height, width, options.max_pixels);
  file.require(data, static_cast<std::size_t>(width * height) * 4, "pixels");
  Image image(height, width);
  std::size_t at = data;
  for (Index y = height - 1; y >= 0; --y) {
    std::uint8_t* out = image.data() + y * width * 3;
    for (Index x = 0; x < width; ++x, at += 4, out += 3) {
      const auto value = bit_cast<float>(little ? little32(file.bytes, at) : big32(file.bytes, at));
      // Not a number becomes 0.
      std::fill_n(out, 3, value >= 255.0f ? std::uint8_t{255} : static_cast<std::uint8_t>(value > 0.0f ? value : 0.0f));
    }
  }
  return {std::move(image)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
