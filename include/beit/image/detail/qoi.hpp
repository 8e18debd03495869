// Reads QOI, as Pillow does. The format is so small that its own reader is shorter than what another library needs
// around it, and Pillow's pixels don't depend on a version of that.
//
// Source: the QOI specification, version 1.0, and Pillow's src/PIL/QoiImagePlugin.py.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline bool is_qoi(Bytes bytes) { return starts_with(bytes, "qoif"); }

inline Decoded decode_qoi(const ImageFile& file, const DecodeOptions& options) {
  constexpr std::size_t header = 14, longest_run = 62;
  const Bytes bytes = file.bytes;
  file.require(0, header, "header");
  const std::size_t width = big32(bytes, 4), height = big32(bytes, 8);
  check_size(file, static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), options.max_pixels);
  const std::size_t count = width * height;
  // Before memory is allocated for the pixels.
  if (count / longest_run > bytes.size() - header) {
    file.fail(concat({"truncated: found ", bytes.size() - header, " bytes of compressed data, which can't be ", height,
                      " x ", width, " pixels"}));
  }

  using Pixel = std::array<std::uint8_t, 4>;  // red, green, blue, alpha
  std::array<Pixel, 64> seen{};
  Pixel pixel{0, 0, 0, 255};
  const auto add = [&](int red, int green, int blue) {
    pixel = {static_cast<std::uint8_t>(pixel[0] + red), static_cast<std::uint8_t>(pixel[1] + green),
             static_cast<std::uint8_t>(pixel[2] + blue), pixel[3]};
  };
  Image image(static_cast<Index>(height), static_cast<Index>(width));
  std::uint8_t* out = image.data();
  std::size_t at = header;
  for (std::size_t i = 0; i < count;) {
    file.require(at, 1, "pixels");
    const int byte = bytes[at++], low = byte & 63;
    std::size_t repeats = 1;
    if (byte >= 0xfe) {  // red, green and blue, and perhaps alpha
      const std::size_t channels = byte == 0xff ? 4 : 3;
      file.require(at, channels, "pixels");
      std::copy_n(&bytes[at], channels, pixel.begin());
      at += channels;
    } else if (byte < 0x40) {
      pixel = seen[static_cast<std::size_t>(low)];
    } else if (byte < 0x80) {  // three small differences
      add((low >> 4) - 2, (low >> 2 & 3) - 2, (low & 3) - 2);
    } else if (byte < 0xc0) {  // green's difference, and the others' differences from that
      file.require(at, 1, "pixels");
      const int others = bytes[at++], green = low - 32;
      add(green + (others >> 4) - 8, green, green + (others & 15) - 8);
    } else {
      repeats = std::min(static_cast<std::size_t>(low) + 1, count - i);
    }
    if (byte < 0xc0 || byte >= 0xfe) {  // all but a run
      seen[(pixel[0] * 3u + pixel[1] * 5u + pixel[2] * 7u + pixel[3] * 11u) % 64] = pixel;
    }
    for (i += repeats; repeats > 0; --repeats, out += 3) std::copy_n(pixel.begin(), 3, out);
  }
  return {std::move(image)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
