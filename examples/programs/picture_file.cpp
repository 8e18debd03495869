#include "picture_file.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>

// Compiled in this file only, with internal linkage.
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#include <stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace programs {

namespace {

void append(void* bytes, void* data, int size) {
  static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

/// Throws unless the number of pixels fits the size.
void require_size(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width) {
  if (static_cast<beit::Index>(pixels.size()) != height * width * 3) {
    throw std::runtime_error("can't encode a picture: found " + std::to_string(pixels.size()) + " bytes, wanted " +
                             std::to_string(height * width * 3));
  }
}

/// The chunk of text by which the programs know their own pictures: see output_check.hpp.
std::string origin_chunk() {
  using std::string_literals::operator""s;
  const auto number = [](unsigned int n) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift & 0xFF);
    return bytes;
  };
  std::string chunk = "tEXtSoftware\0BEIT"s;
  constexpr std::size_t type_bytes = 4;
  const unsigned int crc = stbiw__crc32(reinterpret_cast<unsigned char*>(chunk.data()), static_cast<int>(chunk.size()));
  return number(static_cast<unsigned int>(chunk.size() - type_bytes)) + chunk + number(crc);
}

}  // namespace

std::string encode_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width) {
  require_size(pixels, height, width);
  std::string bytes;
  if (stbi_write_png_to_func(append, &bytes, static_cast<int>(width), static_cast<int>(height), 3, pixels.data(),
                             static_cast<int>(3 * width)) == 0) {
    throw std::runtime_error("can't encode a PNG picture");
  }
  constexpr std::size_t header_bytes = 33;  // the signature and IHDR
  return bytes.insert(header_bytes, origin_chunk());
}

std::string encode_jpeg(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width) {
  require_size(pixels, height, width);
  constexpr int quality = 85;
  std::string bytes;
  if (stbi_write_jpg_to_func(append, &bytes, static_cast<int>(width), static_cast<int>(height), 3, pixels.data(),
                             quality) == 0) {
    throw std::runtime_error("can't encode a JPEG picture");
  }
  return bytes;
}

}  // namespace programs
