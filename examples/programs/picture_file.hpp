// Encodes pictures as PNG and JPEG.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

/// Encodes RGB pixels (height, width, 3) as a PNG file's bytes. Throws std::runtime_error.
std::string encode_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width);

/// Encodes RGB pixels (height, width, 3) as the bytes of a JPEG file of good quality. Throws std::runtime_error.
std::string encode_jpeg(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width);

}  // namespace programs
