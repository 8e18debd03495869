// Reads the first frame of a GIF by stb_image, rewritten as a file that stb_image decodes to Pillow's pixels.
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
#include <beit/image/detail/stb_decode.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline bool is_gif(Bytes bytes) { return has_one_of(bytes, 0, {"GIF87a", "GIF89a"}); }

struct GifFrame {
  std::vector<std::uint8_t> file;  ///< A GIF with only this frame, opaque, with a palette of 256 colours.
  Size canvas;
  Index top = 0, left = 0;               ///< The frame's position in the canvas.
  Size size;                             ///< The frame's size.
  std::array<std::uint8_t, 3> around{};  ///< The colour outside the frame.
};

/// Extracts the first frame. Pillow shows transparent pixels in their palette colour and fills the canvas around a
/// smaller frame with the transparent colour, or the palette's first; stb_image leaves black or the background colour.
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

  std::size_t transparent = 0;
  for (;;) {
    file.require(at, 1, "first frame");
    if (bytes[at] == 0x3b) file.fail("damaged GIF: found no frame");
    if (bytes[at] == 0x2c) break;
    if (bytes[at] != 0x21) {
      file.fail(concat({"damaged GIF: found a block of type ", int{bytes[at]}, " at ", at}));
    }
    file.require(at, 3, "extension");
    const bool graphic_control = bytes[at + 1] == 0xf9;
    at += 2;
    if (graphic_control && bytes[at] >= 4) {
      file.require(at, 5, "graphic control extension");
      if ((bytes[at + 1] & 1) != 0) transparent = bytes[at + 4];
    }
    while (bytes[at] != 0) {
      at += std::size_t{1} + bytes[at];
      file.require(at, 1, "extension");
    }
    ++at;
  }

  file.require(at, descriptor_bytes + 1, "first frame");
  GifFrame frame;
  frame.left = little16(bytes, at + 1);
  frame.top = little16(bytes, at + 3);
  frame.size = {static_cast<Index>(little16(bytes, at + 7)), static_cast<Index>(little16(bytes, at + 5))};
  // Like Pillow, enlarges the canvas to hold the frame.
  frame.canvas = {std::max(static_cast<Index>(little16(bytes, 8)), frame.top + frame.size.height),
                  std::max(static_cast<Index>(little16(bytes, 6)), frame.left + frame.size.width)};
  if (frame.canvas.height > 65535 || frame.canvas.width > 65535) file.fail("damaged GIF: the frame leaves the canvas");
  const std::uint8_t flags = bytes[at + 9];
  std::size_t data = at + descriptor_bytes;
  if ((flags & 0x80) != 0) {
    file.require(data, palette_bytes(flags), "palette");
    palette = bytes.subspan(data, palette_bytes(flags));
    data += palette.size();
  }
  const std::vector<std::uint8_t> colours = full_palette(palette);
  std::copy_n(colours.begin() + static_cast<std::ptrdiff_t>(transparent * 3), 3, frame.around.begin());

  const auto low = [](Index x) { return static_cast<std::uint8_t>(x & 0xff); };
  const auto high = [](Index x) { return static_cast<std::uint8_t>(x >> 8); };
  frame.file = {'G', 'I', 'F', '8', '9', 'a'};
  append(frame.file, std::array<std::uint8_t, 7>{low(frame.canvas.width), high(frame.canvas.width),
                                                 low(frame.canvas.height), high(frame.canvas.height), 0x87, 0, 0});
  append(frame.file, colours);
  append(frame.file, bytes.subspan(at, descriptor_bytes - 1));
  frame.file.push_back(flags & 0x40);  // interlaced
  append(frame.file, bytes.subspan(data));
  return frame;
}

/// Draws the frame on its canvas as RGB, from stb_image's RGBA of the same size, in which pixels that no code drew have
/// alpha 0. Returns false if some of the frame's own pixels weren't drawn.
inline bool flatten_gif(const GifFrame& frame, const std::uint8_t* rgba, std::uint8_t* rgb) {  // (height, width, 4 | 3)
  for (Index y = 0; y < frame.canvas.height; ++y) {
    for (Index x = 0; x < frame.canvas.width; ++x, rgba += 4, rgb += 3) {
      const bool inside =
          y >= frame.top && y < frame.top + frame.size.height && x >= frame.left && x < frame.left + frame.size.width;
      if (inside && rgba[3] == 0) return false;
      std::copy_n(inside ? rgba : frame.around.data(), 3, rgb);
    }
  }
  return true;
}

inline Decoded decode_gif(const ImageFile& file, const DecodeOptions& options) {
  const GifFrame frame = first_gif_frame(file);
  check_size(file, frame.canvas.height, frame.canvas.width, options.max_pixels);
  const MallocPixels rgba = load_by_stb({frame.file, file.name}, frame.canvas, 4);
  Image image(frame.canvas.height, frame.canvas.width);
  if (!flatten_gif(frame, rgba.get(), image.data())) file.fail("truncated: found less than the first frame");
  return {std::move(image)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
