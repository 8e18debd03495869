// Reads the first frame of a GIF, as Pillow does: stb_image refuses legal codes (no clear code at the beginning, a full
// table that isn't cleared), and shows transparent pixels otherwise.
//
// Source: the GIF89a specification, and Pillow's src/PIL/GifImagePlugin.py and src/libImaging/GifDecode.c.
#pragma once

#include <algorithm>
#include <array>
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

inline bool is_gif(Bytes bytes) { return has_one_of(bytes, 0, {"GIF87a", "GIF89a"}); }

struct GifFrame {
  Size canvas;
  Index top = 0, left = 0;            ///< The frame's position in the canvas.
  Size size;                          ///< The frame's size.
  bool interlaced = false;            ///< Rows are stored in four passes.
  std::vector<std::uint8_t> palette;  ///< 256 colours of red, green, blue.
  std::size_t around = 0;             ///< The colour outside the frame.
  std::size_t data = 0;               ///< The offset of the compressed pixels.
};

/// Reads everything before the first frame's pixels. Pillow shows transparent pixels in their palette colour and fills
/// the canvas around a smaller frame with the transparent colour, or the palette's first.
BEIT_COLD inline GifFrame first_gif_frame(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  constexpr std::size_t header_bytes = 13, descriptor_bytes = 10;
  const auto palette_bytes = [](std::uint8_t flags) { return std::size_t{6} << (flags & 7); };
  file.require(0, header_bytes, "header");
  Bytes palette;
  std::size_t at = header_bytes;
  if ((bytes[10] & 0x80) != 0) {
    file.require(at, palette_bytes(bytes[10]), "palette");
    palette = bytes.subspan(at, palette_bytes(bytes[10]));
    at += palette.size();
  }

  GifFrame frame;
  for (;; ++at) {  // passes over bytes that begin no block, as Pillow does
    file.require(at, 1, "first frame");
    if (bytes[at] == 0x3b) file.fail("damaged GIF: found no frame");
    if (bytes[at] == 0x2c) break;
    if (bytes[at] != 0x21) continue;
    file.require(at, 3, "extension");
    const bool graphic_control = bytes[at + 1] == 0xf9;
    at += 2;
    if (graphic_control && bytes[at] >= 4) {
      file.require(at, 5, "graphic control extension");
      if ((bytes[at + 1] & 1) != 0) frame.around = bytes[at + 4];
    }
    while (bytes[at] != 0) {
      at += std::size_t{1} + bytes[at];
      file.require(at, 1, "extension");
    }
  }

  file.require(at, descriptor_bytes + 1, "first frame");
  frame.left = little16(bytes, at + 1);
  frame.top = little16(bytes, at + 3);
  frame.size = {static_cast<Index>(little16(bytes, at + 7)), static_cast<Index>(little16(bytes, at + 5))};
  // Like Pillow, enlarges the canvas to hold the frame.
  frame.canvas = {std::max(static_cast<Index>(little16(bytes, 8)), frame.top + frame.size.height),
                  std::max(static_cast<Index>(little16(bytes, 6)), frame.left + frame.size.width)};
  const std::uint8_t flags = bytes[at + 9];
  frame.interlaced = (flags & 0x40) != 0;
  frame.data = at + descriptor_bytes;
  if ((flags & 0x80) != 0) {
    file.require(frame.data, palette_bytes(flags), "palette");
    palette = bytes.subspan(frame.data, palette_bytes(flags));
    frame.data += palette.size();
  }
  frame.palette = full_palette_or_greys(palette);
  return frame;
}

/// Reads codes from a GIF's blocks, of up to 255 bytes each.
class GifCodes {
 public:
  GifCodes(const ImageFile& file, std::size_t at) : file_(file), at_(at) {}

  /// Reads the next code of so many bits. Throws ImageError if the blocks end before it does.
  std::size_t next(std::size_t bits) {
    for (; held_ < bits; held_ += 8) {
      if (left_ == 0) {
        file_.require(at_, 1, "pixels");
        left_ = file_.bytes[at_++];
        if (left_ == 0) file_.fail("truncated: found less than the first frame");
        file_.require(at_, left_, "pixels");
      }
      waiting_ |= std::size_t{file_.bytes[at_++]} << held_;
      --left_;
    }
    const std::size_t code = waiting_ & ((std::size_t{1} << bits) - 1);
    waiting_ >>= bits;
    held_ -= bits;
    return code;
  }

 private:
  const ImageFile& file_;
  std::size_t at_, left_ = 0;           // the position, and the bytes that are left of a block
  std::size_t waiting_ = 0, held_ = 0;  // the bits that were read but not used, and their number
};

/// Decodes so many pixels by Lempel, Ziv and Welch's method. Memory grows with what the codes hold, not with what the
/// header says.
BEIT_COLD inline std::vector<std::uint8_t> read_gif_indices(const ImageFile& file, std::size_t at, std::size_t wanted) {
  constexpr std::size_t most_codes = 4096, most_bits = 12;
  file.require(at, 1, "pixels");
  const std::size_t first_bits = file.bytes[at];
  if (first_bits > most_bits) {
    file.fail(concat({"damaged GIF: found pixels of ", first_bits, " bits, wanted at most ", most_bits}));
  }
  const std::size_t clear = std::size_t{1} << first_bits, end = clear + 1;
  // A code from `clear` on stands for the pixels of another code and one more.
  std::array<std::uint16_t, most_codes> before{};
  std::array<std::uint8_t, most_codes> last{};
  std::array<std::uint8_t, most_codes + 1> reversed{};  // a code's pixels, the last one first
  std::vector<std::uint8_t> indices;
  std::size_t bits = first_bits + 1, known = clear + 2, previous = clear;  // `clear`: no code before
  std::uint8_t first = 0;                                                  // the first pixel of the code before
  GifCodes codes(file, at + 1);
  while (indices.size() < wanted) {
    const std::size_t code = codes.next(bits);
    if (code == clear) {
      bits = first_bits + 1;
      known = clear + 2;
      previous = clear;
      continue;
    }
    if (code == end) file.fail("truncated: found less than the first frame");
    std::size_t length = 0, rest = code;
    if (previous != clear && code == known) {  // the code before and its first pixel again
      reversed[length++] = first;
      rest = previous;
    }
    if (code > known || rest >= most_codes || (previous == clear && code > clear)) {
      file.fail("damaged GIF: found a code without meaning");
    }
    for (; rest >= clear; rest = before[rest]) reversed[length++] = last[rest];
    first = static_cast<std::uint8_t>(rest);
    reversed[length++] = first;
    if (previous != clear && known < most_codes) {
      before[known] = static_cast<std::uint16_t>(previous);
      last[known] = first;
      if (known == (std::size_t{1} << bits) - 1 && bits < most_bits) ++bits;
      ++known;
    }
    previous = code;
    while (length > 0) indices.push_back(reversed[--length]);
  }
  return indices;
}

inline Decoded decode_gif(const ImageFile& file, const DecodeOptions& options) {
  const GifFrame frame = first_gif_frame(file);
  check_size(file, frame.canvas.height, frame.canvas.width, options.max_pixels);
  check_size(file, frame.size.height, frame.size.width, options.max_pixels);
  const std::vector<std::uint8_t> indices =
      read_gif_indices(file, frame.data, static_cast<std::size_t>(frame.size.area()));
  const auto colour = [&](std::size_t index) { return &frame.palette[3 * index]; };

  Image image(frame.canvas.height, frame.canvas.width);
  for (Index i = 0; i < image.height() * image.width(); ++i) {
    std::copy_n(colour(frame.around), 3, image.data() + 3 * i);
  }
  struct Pass {
    Index first, step;
  };
  constexpr std::array<Pass, 4> interlaced{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  const std::vector<Pass> passes =
      frame.interlaced ? std::vector<Pass>(interlaced.begin(), interlaced.end()) : std::vector<Pass>{{0, 1}};
  const std::uint8_t* index = indices.data();
  for (const Pass& pass : passes) {
    for (Index y = pass.first; y < frame.size.height; y += pass.step) {
      std::uint8_t* out = image.data() + ((frame.top + y) * image.width() + frame.left) * 3;
      for (Index x = 0; x < frame.size.width; ++x, out += 3) std::copy_n(colour(*index++), 3, out);
    }
  }
  return {std::move(image)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
