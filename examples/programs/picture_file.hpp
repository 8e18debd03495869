// Pictures as files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

/// The bytes of a PNG file: RGB pixels (height, width, 3). Throws std::runtime_error.
std::string encode_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width);

/// Those of a JPEG file of good quality.
std::string encode_jpeg(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width);

}  // namespace programs
