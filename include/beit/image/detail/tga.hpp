// Reads TGA, as Pillow does: stb_image reads neither images from right to left nor black and white ones.
//
// Source: Truevision's TGA file format specification, version 2.0, and Pillow's src/PIL/TgaImagePlugin.py and
// src/libImaging/TgaRleDecode.c.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/palette.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

// Declared here, too, because formats.hpp includes all readers and so this file.
std::string image_formats();

namespace detail {

struct TgaHeader {
  enum Kind : std::uint32_t { indexed = 1, colours = 2, grey = 3 };

  Size size;
  Kind kind = colours;
  std::uint32_t bits = 0;             ///< Bits per pixel: 1, 8, 16, 24 or 32.
  bool has_runs = false;              ///< Pixels are run-length encoded.
  bool from_right = false;            ///< Rows begin at the right.
  bool from_top = false;              ///< The first row is the top one.
  std::vector<std::uint8_t> palette;  ///< 256 colours of red, green, blue for `indexed`.
  std::size_t data = 0;               ///< The offset of the pixels.
};

/// Writes a colour of 16, 24 or 32 bits, whose blue comes first. The five bits of 16 are scaled to 255 and rounded
/// down.
inline void tga_colour(const std::uint8_t* bytes, std::uint32_t bits, std::uint8_t* out) {  // (3)
  if (bits != 16) {
    std::reverse_copy(bytes, bytes + 3, out);
    return;
  }
  const std::uint32_t value = bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8;
  for (std::uint32_t c = 0; c < 3; ++c) {
    out[c] = static_cast<std::uint8_t>((value >> (10 - 5 * c) & 31) * 255 / 31);
  }
}

/// Reads the header and the palette. TGA has no fixed beginning, so a header that makes no sense is a file of an
/// unknown format.
BEIT_COLD inline TgaHeader read_tga_header(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  constexpr std::size_t length = 18;
  const auto is_one_of = [](std::uint32_t value, std::initializer_list<std::uint32_t> known) {
    return std::find(known.begin(), known.end(), value) != known.end();
  };
  if (bytes.size() < length || bytes[1] > 1 || !is_one_of(bytes[2], {1, 2, 3, 9, 10, 11}) ||
      !is_one_of(bytes[16], {1, 8, 16, 24, 32})) {
    file.fail(concat({"found no image in a known format, wanted ", image_formats()}));
  }
  TgaHeader header;
  header.size = {static_cast<Index>(little16(bytes, 14)), static_cast<Index>(little16(bytes, 12))};
  header.kind = static_cast<TgaHeader::Kind>(bytes[2] & 7);
  header.bits = bytes[16];
  header.has_runs = (bytes[2] & 8) != 0;
  header.from_right = (bytes[17] & 0x10) != 0;
  header.from_top = (bytes[17] & 0x20) != 0;
  const bool has_palette = bytes[1] == 1;
  const bool is_read = header.kind == TgaHeader::colours ? header.bits >= 16
                       : header.kind == TgaHeader::grey  ? header.bits <= 16 && !(header.bits == 1 && header.has_runs)
                                                         : header.bits == 8 && has_palette;
  if (!is_read) {
    file.fail(concat(
        {"found a TGA of type ", int{bytes[2]}, " with ", header.bits, " bits per pixel, which isn't supported"}));
  }
  std::size_t at = length + bytes[0];
  if (has_palette) {
    const std::size_t first = little16(bytes, 3), count = little16(bytes, 5), bits = bytes[7];
    if (bits != 16 && bits != 24 && bits != 32) {
      file.fail(concat({"found a TGA with a palette of ", bits, " bits per colour, wanted 16, 24 or 32"}));
    }
    file.require(at, count * bits / 8, "palette");
    std::vector<std::uint8_t> palette(std::size_t{256} * 3);
    for (std::size_t i = 0; i < count && first + i < 256; ++i) {
      tga_colour(&bytes[at + i * bits / 8], bytes[7], &palette[3 * (first + i)]);
    }
    header.palette = std::move(palette);
    if (header.kind == TgaHeader::grey && header.bits >= 8) header.kind = TgaHeader::indexed;  // as in Pillow
    at += count * bits / 8;
  }
  file.require(at, 1, "pixels");
  header.data = at;
  return header;
}

/// Decodes runs until there are `wanted` bytes of pixels, each of `pixel_bytes`. Memory grows with what the runs hold,
/// not with what the header says.
BEIT_COLD inline std::vector<std::uint8_t> read_tga_runs(const ImageFile& file, std::size_t at, std::size_t row_bytes,
                                                         std::size_t pixel_bytes, std::size_t wanted) {
  const Bytes bytes = file.bytes;
  std::vector<std::uint8_t> pixels;
  while (pixels.size() < wanted) {
    file.require(at, 1, "pixels");
    const bool is_run = (bytes[at] & 0x80) != 0;
    const std::size_t count = (bytes[at] & 0x7f) + std::size_t{1};
    const std::size_t size = (is_run ? 1 : count) * pixel_bytes;
    file.require(++at, size, "pixels");
    if (is_run && pixels.size() % row_bytes + count * pixel_bytes > row_bytes) {
      file.fail("damaged TGA: a run of pixels leaves its row");
    }
    for (std::size_t i = 0; i < (is_run ? count : 1); ++i) append(pixels, bytes.subspan(at, size));
    at += size;
  }
  return pixels;
}

inline Decoded decode_tga(const ImageFile& file, const DecodeOptions& options) {
  const TgaHeader header = read_tga_header(file);
  const Index height = header.size.height, width = header.size.width;
  check_size(file, height, width, options.max_pixels);
  const std::size_t row_bytes = (static_cast<std::size_t>(width) * header.bits + 7) / 8;
  const std::size_t pixel_bytes = header.bits / 8, wanted = row_bytes * static_cast<std::size_t>(height);
  std::vector<std::uint8_t> decoded;
  if (header.has_runs) {
    decoded = read_tga_runs(file, header.data, row_bytes, pixel_bytes, wanted);
  } else {
    file.require(header.data, wanted, "pixels");
  }
  const std::uint8_t* row = header.has_runs ? decoded.data() : file.bytes.data() + header.data;

  Image image(height, width);
  for (Index y = 0; y < height; ++y, row += row_bytes) {
    std::uint8_t* out_row = image.data() + (header.from_top ? y : height - 1 - y) * width * 3;
    for (Index x = 0; x < width; ++x) {
      std::uint8_t* out = out_row + (header.from_right ? width - 1 - x : x) * 3;
      const std::uint8_t* pixel = row + static_cast<std::size_t>(x) * pixel_bytes;
      if (header.kind == TgaHeader::colours) {
        tga_colour(pixel, header.bits, out);
      } else if (header.kind == TgaHeader::indexed) {
        std::copy_n(&header.palette[std::size_t{*pixel} * 3], 3, out);
      } else {
        const bool white = header.bits == 1 && (row[x / 8] >> (7 - x % 8) & 1) != 0;
        std::fill_n(out, 3, header.bits == 1 ? static_cast<std::uint8_t>(white ? 255 : 0) : *pixel);
      }
    }
  }
  return {std::move(image)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
