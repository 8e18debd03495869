// Reads BMP, as Pillow does: stb_image reads neither run lengths nor all headers, and rounds 16 bits otherwise.
//
// Source: Microsoft's documentation of BITMAPINFOHEADER and its successors, and Pillow's src/PIL/BmpImagePlugin.py.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
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
namespace detail {

inline bool is_bmp(Bytes bytes) { return starts_with(bytes, "BM"); }

struct BmpHeader {
  enum Compression : std::uint32_t { none = 0, runs_of_bytes = 1, runs_of_nibbles = 2, bit_fields = 3 };

  Size size;
  bool top_down = false;   ///< Rows are stored from the top.
  std::uint32_t bits = 0;  ///< Bits per pixel: 1, 4 or 8 with a palette; 16, 24 or 32.
  std::uint32_t compression = none;
  std::array<std::uint32_t, 3> masks{};  ///< The bits of red, green and blue in a pixel without a palette.
  std::vector<std::uint8_t> palette;     ///< 256 colours of red, green, blue; empty if there is none.
  std::size_t data = 0;                  ///< The offset of the pixels.
};

BEIT_COLD inline BmpHeader read_bmp_header(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  constexpr std::size_t file_header = 14, os2_header = 12, windows_header = 40;
  constexpr std::array<std::size_t, 7> lengths{os2_header, windows_header, 52, 56, 64, 108, 124};
  file.require(0, file_header + os2_header, "header");
  const std::size_t length = little32(bytes, file_header);
  if (std::find(lengths.begin(), lengths.end(), length) == lengths.end()) {
    file.fail(concat({"damaged BMP: found a header of ", length, " bytes, wanted 12, 40, 52, 56, 64, 108 or 124"}));
  }
  file.require(file_header, length, "header");
  const bool os2 = length == os2_header;

  BmpHeader header;
  std::size_t colours = 0;
  if (os2) {
    header.size = {static_cast<Index>(little16(bytes, 20)), static_cast<Index>(little16(bytes, 18))};
    header.bits = little16(bytes, 24);
  } else {
    const auto height = static_cast<std::int32_t>(little32(bytes, 22));
    header.top_down = bytes[25] == 0xff;  // a small negative height
    header.size = {header.top_down ? -height : height, static_cast<std::int32_t>(little32(bytes, 18))};
    header.bits = little16(bytes, 28);
    header.compression = little32(bytes, 30);
    colours = little32(bytes, 46);
  }
  const bool has_palette = header.bits == 1 || header.bits == 4 || header.bits == 8;
  const bool has_masks = header.bits == 16 || header.bits == 24 || header.bits == 32;
  const bool is_read =
      has_palette ? header.compression < BmpHeader::bit_fields
                  : has_masks && (header.compression == BmpHeader::none || header.compression == BmpHeader::bit_fields);
  if (!is_read) {
    file.fail(concat({"found a BMP of ", header.bits, " bits per pixel with compression ", header.compression,
                      ", which isn't supported"}));
  }

  std::size_t after = file_header + length;  // the end of the headers, and of the palette
  const std::size_t offset = little32(bytes, 10);
  header.data = offset;
  if (has_palette) {
    if (colours == 0 || colours > 256) colours = std::size_t{1} << header.bits;
    const std::size_t entry = os2 ? 3 : 4;
    std::vector<std::uint8_t> found;
    for (std::size_t i = 0; i < colours && bytes.size() - after >= entry; ++i, after += entry) {
      found.insert(found.end(), {bytes[after + 2], bytes[after + 1], bytes[after]});
    }
    header.palette = full_palette_or_greys(found);
    if (offset == file_header + length) header.data = after;  // as if there were no palette
  } else if (header.compression == BmpHeader::bit_fields) {
    constexpr std::size_t at = file_header + windows_header;  // a part of longer headers
    file.require(at, 12, "bit masks");
    header.masks = {little32(bytes, at), little32(bytes, at + 4), little32(bytes, at + 8)};
    after = std::max(after, at + 12);
  }
  if (header.masks == std::array<std::uint32_t, 3>{}) {
    header.masks = header.bits == 16 ? std::array<std::uint32_t, 3>{0x7c00, 0x3e0, 0x1f}
                                     : std::array<std::uint32_t, 3>{0xff0000, 0xff00, 0xff};
  }
  if (offset == 0) header.data = after;
  file.require(header.data, 1, "pixels");
  return header;
}

/// Reads run-length encoded pixels: their indices (height, width), in the order of the file. Memory grows with what the
/// runs hold, not with what the header says.
BEIT_COLD inline std::vector<std::uint8_t> read_bmp_runs(const ImageFile& file, const BmpHeader& header) {
  const Bytes bytes = file.bytes;
  const auto width = static_cast<std::size_t>(header.size.width);
  const std::size_t wanted = width * static_cast<std::size_t>(header.size.height);
  const bool nibbles = header.compression == BmpHeader::runs_of_nibbles;
  std::vector<std::uint8_t> indices;
  std::size_t at = header.data, x = 0;
  const auto skip = [&](std::size_t count) { indices.resize(indices.size() + count); };
  while (indices.size() < wanted && bytes.size() - at >= 2) {
    const std::size_t count = bytes[at], value = bytes[at + 1], left = wanted - indices.size();
    at += 2;
    if (count > 0) {  // a run, which ends with its row
      const std::size_t run = std::min(count, width - std::min(x, width));
      for (std::size_t i = 0; i < run; ++i) {
        indices.push_back(static_cast<std::uint8_t>(!nibbles ? value : i % 2 == 0 ? value >> 4 : value & 15));
      }
      x += run;
    } else if (value == 0) {  // the end of a row
      skip((width - indices.size() % width) % width);
      x = 0;
    } else if (value == 1) {  // the end of the image
      break;
    } else if (value == 2) {  // a jump to the right and down
      file.require(at, 2, "pixels");
      skip(std::min(left, bytes[at] + bytes[at + 1] * width));
      x = indices.size() % width;
      at += 2;
    } else {  // pixels without a run, filled up to 16 bits
      const std::size_t pixels = std::min(left, value), size = nibbles ? (pixels + 1) / 2 : pixels;
      file.require(at, size, "pixels");
      for (std::size_t i = 0; i < pixels; ++i) {
        const std::uint8_t byte = bytes[at + (nibbles ? i / 2 : i)];
        indices.push_back(static_cast<std::uint8_t>(!nibbles ? byte : i % 2 == 0 ? byte >> 4 : byte & 15));
      }
      x += value;
      at += size;
      at = std::min(at + at % 2, bytes.size());
    }
  }
  if (indices.size() < wanted) {
    file.fail(concat({"truncated: found ", indices.size(), " run-length encoded pixels, wanted ", wanted}));
  }
  return indices;
}

/// Reads a pixel's red, green and blue from the bits of its masks, scaled to 255 and rounded down, as in Pillow.
class BmpChannels {
 public:
  explicit BmpChannels(const std::array<std::uint32_t, 3>& masks) {
    for (std::size_t c = 0; c < 3; ++c) {
      shifts_[c] = masks[c] == 0 ? 0 : std::countr_zero(masks[c]);
      most_[c] = masks[c] >> shifts_[c];
    }
  }

  void to_rgb(std::uint32_t pixel, std::uint8_t* out) const {  // (3)
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint64_t value = pixel >> shifts_[c] & most_[c];
      out[c] = static_cast<std::uint8_t>(most_[c] == 255 || most_[c] == 0 ? value : value * 255 / most_[c]);
    }
  }

 private:
  std::array<int, 3> shifts_{};
  std::array<std::uint32_t, 3> most_{};
};

/// Converts a row of pixels that aren't run-length encoded.
inline void bmp_row_to_rgb(const BmpHeader& header, const BmpChannels& channels, const std::uint8_t* row,
                           std::uint8_t* out) {  // (width, 3)
  const auto width = static_cast<std::size_t>(header.size.width);
  const std::size_t bits = header.bits, pixel_bytes = bits / 8;
  if (bits > 8) {
    for (std::size_t x = 0; x < width; ++x, row += pixel_bytes, out += 3) {
      std::uint32_t pixel = 0;
      for (std::size_t i = 0; i < pixel_bytes; ++i) pixel |= static_cast<std::uint32_t>(row[i]) << (8 * i);
      channels.to_rgb(pixel, out);
    }
    return;
  }
  const std::size_t per_byte = 8 / bits;
  for (std::size_t x = 0; x < width; ++x, out += 3) {
    const std::size_t index = std::size_t{row[x / per_byte]} >> (8 - bits * (x % per_byte + 1)) & ((1u << bits) - 1);
    std::copy_n(&header.palette[index * 3], 3, out);
  }
}

inline Decoded decode_bmp(const ImageFile& file, const DecodeOptions& options) {
  const BmpHeader header = read_bmp_header(file);
  const Index height = header.size.height, width = header.size.width;
  check_size(file, height, width, options.max_pixels);
  const bool has_runs =
      header.compression == BmpHeader::runs_of_bytes || header.compression == BmpHeader::runs_of_nibbles;
  const std::vector<std::uint8_t> indices = has_runs ? read_bmp_runs(file, header) : std::vector<std::uint8_t>();
  const std::size_t row_bytes = (static_cast<std::size_t>(width) * header.bits + 7) / 8;
  const std::size_t stride = (row_bytes + 3) / 4 * 4;  // the last row needn't be filled up
  if (!has_runs) file.require(header.data, stride * static_cast<std::size_t>(height - 1) + row_bytes, "pixels");

  Image image(height, width);
  const BmpChannels channels(header.masks);
  for (Index y = 0; y < height; ++y) {
    std::uint8_t* out = image.data() + (header.top_down ? y : height - 1 - y) * width * 3;
    if (has_runs) {
      const std::uint8_t* row = indices.data() + y * width;
      for (Index x = 0; x < width; ++x) std::copy_n(&header.palette[std::size_t{row[x]} * 3], 3, out + 3 * x);
    } else {
      bmp_row_to_rgb(header, channels, file.bytes.data() + header.data + stride * static_cast<std::size_t>(y), out);
    }
  }
  return {std::move(image)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
