// Helpers of the image tests: the golden files, and the CRC-32 that stands for large results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "../testing.hpp"

namespace beit_test {

inline std::filesystem::path image_path(const std::string& name) { return golden("image") / name; }

inline std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  const std::string text = file_text(path);
  return {text.begin(), text.end()};
}

/// zlib's crc32.
inline std::uint32_t crc32(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

}  // namespace beit_test
