// Encodes pictures as PNG and JPEG.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <beit/beit.hpp>

#include "text_picture.hpp"

namespace programs {

/// Encodes RGB pixels (height, width, 3) as a PNG file's bytes. Throws std::runtime_error.
std::string encode_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width);

/// Encodes pixels (height, width), each an index into `palette`, as a PNG file's bytes. Throws std::runtime_error for a
/// palette of more than 256 colours, or for an index beyond it.
std::string encode_palette_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width,
                               std::span<const Colour> palette);

/// Encodes RGB pixels (height, width, 3) as the bytes of a JPEG file of good quality. Throws std::runtime_error.
std::string encode_jpeg(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width);

}  // namespace programs
