#include "picture_file.hpp"

#include <algorithm>
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

/// Throws unless the number of bytes fits the size.
void require_size(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width, beit::Index channels) {
  if (static_cast<beit::Index>(pixels.size()) != height * width * channels) {
    throw std::runtime_error("can't encode a picture: found " + std::to_string(pixels.size()) + " bytes, wanted " +
                             std::to_string(height * width * channels));
  }
}

/// A number as PNG stores it: the high byte first.
std::string number_bytes(unsigned int n) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift & 0xFF);
  return bytes;
}

/// The checksum of a chunk, as bytes. `content` is its type with its data.
std::string checksum(std::string content) {
  return number_bytes(stbiw__crc32(reinterpret_cast<unsigned char*>(content.data()), static_cast<int>(content.size())));
}

/// A whole chunk: the length of its data, its type with its data, and the checksum.
std::string chunk(const std::string& content) {
  constexpr std::size_t type_bytes = 4;
  return number_bytes(static_cast<unsigned int>(content.size() - type_bytes)) + content + checksum(content);
}

constexpr std::size_t signature_bytes = 8, header_bytes = 25;  // the header is the first chunk, IHDR

/// Encodes pixels (height, width, channels). Behind the header stands the chunk of text by which the programs know
/// their own pictures: see output_check.hpp.
std::string encode(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width, int channels) {
  using std::string_literals::operator""s;
  require_size(pixels, height, width, channels);
  std::string bytes;
  if (stbi_write_png_to_func(append, &bytes, static_cast<int>(width), static_cast<int>(height), channels, pixels.data(),
                             static_cast<int>(channels * width)) == 0) {
    throw std::runtime_error("can't encode a PNG picture");
  }
  return bytes.insert(signature_bytes + header_bytes, chunk("tEXtSoftware\0BEIT"s));
}

}  // namespace

std::string encode_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width) {
  return encode(pixels, height, width, 3);
}

std::string encode_palette_png(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width,
                               std::span<const Colour> palette) {
  if (palette.empty() || palette.size() > 256) {
    throw std::runtime_error("can't encode a picture: found a palette of " + std::to_string(palette.size()) +
                             " colours, wanted 1 to 256");
  }
  const auto largest = std::max_element(pixels.begin(), pixels.end());
  if (largest != pixels.end() && *largest >= palette.size()) {
    throw std::runtime_error("can't encode a picture: found index " + std::to_string(*largest) + " into " +
                             std::to_string(palette.size()) + " colours");
  }
  // The picture is encoded as one of greys; then its header is changed to say that they are indices.
  std::string bytes = encode(pixels, height, width, 1);
  constexpr std::size_t length_bytes = 4, checksum_bytes = 4, kind_of_pixels = 25;
  bytes[kind_of_pixels] = 3;
  const std::size_t begin = signature_bytes + length_bytes, end = signature_bytes + header_bytes - checksum_bytes;
  const std::string sum = checksum(bytes.substr(begin, end - begin));
  std::copy(sum.begin(), sum.end(), bytes.begin() + end);
  std::string colours = "PLTE";
  for (const Colour& colour : palette) colours.append(colour.begin(), colour.end());
  const std::size_t data = bytes.find("IDAT") - length_bytes;
  return bytes.insert(data, chunk(colours));
}

std::string encode_jpeg(std::span<const std::uint8_t> pixels, beit::Index height, beit::Index width) {
  require_size(pixels, height, width, 3);
  constexpr int quality = 85;
  std::string bytes;
  if (stbi_write_jpg_to_func(append, &bytes, static_cast<int>(width), static_cast<int>(height), 3, pixels.data(),
                             quality) == 0) {
    throw std::runtime_error("can't encode a JPEG picture");
  }
  return bytes;
}

}  // namespace programs
