// PGM and PPM (binary, P5 and P6). Decoded here and not by stb_image, which ignores the largest value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

struct PnmHeader {
  Index channels = 0;  ///< 1 or 3
  Size size;
  Index max_value = 0;   ///< 1 to 65535; above 255 a value has two bytes, high byte first.
  std::size_t data = 0;  ///< Where the pixels begin.
};

inline PnmHeader read_pnm_header(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  std::size_t at = 2;
  const auto is_space = [](std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const auto number = [&](const char* what) {
    for (;; ++at) {  // spaces and comments
      file.require(at, 1, what);
      if (bytes[at] == '#') {
        while (bytes[at] != '\n' && bytes[at] != '\r') file.require(++at, 1, what);
      } else if (!is_space(bytes[at])) {
        break;
      }
    }
    Index value = 0;
    std::size_t digits = 0;
    for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9'; ++at) {
      if (++digits > 9) file.fail(std::string("damaged PNM: found more than 9 digits for its ") + what);
      value = value * 10 + (bytes[at] - '0');
    }
    file.require(at, 1, what);
    if (digits == 0 || !is_space(bytes[at])) {
      file.fail(std::string("damaged PNM: found no number for its ") + what);
    }
    return value;
  };

  PnmHeader header;
  header.channels = bytes[1] == '6' ? 3 : 1;
  if (bytes.size() > 2 && !is_space(bytes[2])) file.fail("damaged PNM: found no space after its first two letters");
  header.size.width = number("width");
  header.size.height = number("height");
  header.max_value = number("largest value");
  header.data = at + 1;
  if (header.max_value < 1 || header.max_value > 65535) {
    file.fail("damaged PNM: found a largest value of " + std::to_string(header.max_value) + ", wanted 1 to 65535");
  }
  return header;
}

/// The pixels, scaled as Pillow's PpmDecoder does; grey of 16 bits, which Pillow clips to white, by its high byte.
inline Image decode_pnm(const ImageFile& file, const PnmHeader& header) {
  const std::size_t value_bytes = header.max_value > 255 ? 2 : 1;
  const std::size_t count = static_cast<std::size_t>(header.size.area() * header.channels);
  file.require(header.data, count * value_bytes, "pixels");

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
  std::uint8_t* out = image.data();
  const std::size_t repeats = header.channels == 1 ? 3 : 1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t value = scaled[value_bytes == 2 ? big16(data, 2 * i) : data[i]];
    for (std::size_t c = 0; c < repeats; ++c) *out++ = value;
  }
  return image;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
