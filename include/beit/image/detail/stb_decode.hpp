// Files decoded by stb_image: its reader, its errors, and JPEGs that it is too strict for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/stb_image.hpp>
#include <beit/image/formats.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Feeds stb_image and sees when it asks for more than there is: it goes on with zeros and would show a grey rest.
struct StbReader {
  Bytes bytes;
  std::size_t position = 0;
  bool past_end = false;
  bool byte_by_byte = false;  ///< After the first block, so that `position` is where stb_image reads.

  static int read(void* user, char* out, int size) {
    StbReader& reader = *static_cast<StbReader*>(user);
    const bool single = reader.byte_by_byte && reader.position > 0;
    const std::size_t wanted = single ? 1 : static_cast<std::size_t>(std::max(size, 0));
    const std::size_t count = std::min(wanted, reader.bytes.size() - reader.position);
    // stb_image refills a buffer of 128 bytes ahead of need, but only when that is empty.
    constexpr std::size_t buffer_bytes = 128;
    if (count == 0 || (count < wanted && wanted != buffer_bytes)) reader.past_end = true;
    std::copy_n(reader.bytes.data() + reader.position, count, reinterpret_cast<std::uint8_t*>(out));
    reader.position += count;
    return static_cast<int>(count);
  }
  static void skip(void* user, int count) {
    StbReader& reader = *static_cast<StbReader*>(user);
    reader.position += std::min(static_cast<std::size_t>(std::max(count, 0)), reader.bytes.size() - reader.position);
  }
  static int eof(void* user) {
    const StbReader& reader = *static_cast<const StbReader*>(user);
    return reader.position >= reader.bytes.size() ? 1 : 0;
  }
  static constexpr stb::stbi_io_callbacks callbacks() { return {&read, &skip, &eof}; }
};

[[noreturn]] BEIT_COLD inline void fail_as_stb(const ImageFile& file, const StbReader& reader) {
  if (reader.past_end) fail_as_truncated(file);
  const char* reason = stb::functions.failure_reason();
  file.fail(concat(
      {"found no image that can be read (", reason == nullptr ? "unknown" : reason, "), wanted ", image_formats()}));
}

BEIT_COLD inline Size read_size_by_stb(const ImageFile& file) {
  StbReader reader{file.bytes};
  const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
  int width = 0, height = 0, channels = 0;
  if (stb::functions.info(&callbacks, &reader, &width, &height, &channels) == 0) fail_as_stb(file, reader);
  // A BMP whose rows go from top to bottom has a negative height.
  return {std::abs(static_cast<Index>(height)), static_cast<Index>(width)};
}

/// Throws ImageError unless the pixels are as many as the header says.
inline void require_size(const ImageFile& file, Size found, Size wanted) {
  if (found == wanted) return;
  file.fail(concat({"damaged: found ", found.height, " x ", found.width, " pixels where the header says ",
                    wanted.height, " x ", wanted.width}));
}

inline MallocPixels decode_by_stb(const ImageFile& file, Size size, int channels) {  // (height, width, channels)
  StbReader reader{file.bytes};
  const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
  int width = 0, height = 0, channels_in_file = 0;
  // Compressed data are gathered, and inflated: a pixel to 8 bytes at most, a row to one more. Twice that, because
  // memory is doubled as it grows.
  const auto pixel_count = static_cast<unsigned long long>(size.area());
  const unsigned long long limit = 2 * (9 * pixel_count + file.bytes.size() + 4096);
  MallocPixels pixels(stb::functions.load(limit, &callbacks, &reader, &width, &height, &channels_in_file, channels));
  if (pixels == nullptr || reader.past_end) fail_as_stb(file, reader);
  require_size(file, {height, width}, size);
  return pixels;
}

/// FF 00 (an escaped FF), TEM or RST: what may stand between a scan's data and the next segment and means nothing.
inline bool is_meaningless_marker(std::uint8_t marker) { return marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7); }

/// Where stb_image has given up at a marker that ends before `end`: writes zeros, which it passes over, to the next
/// segment over one without meaning, and over the fill bytes (FF) before any. False where that is no help.
inline bool blank_meaningless(std::vector<std::uint8_t>& jpeg, std::size_t end) {
  if (end < 2 || jpeg[end - 2] != 0xff) return false;
  std::size_t first = end - 2, next = end - 2;
  while (first > 0 && jpeg[first - 1] == 0xff) --first;
  if (is_meaningless_marker(jpeg[end - 1])) {
    next = end;
    while (next + 1 < jpeg.size() &&
           (jpeg[next] != 0xff || jpeg[next + 1] == 0xff || is_meaningless_marker(jpeg[next + 1]))) {
      ++next;
    }
    if (next + 1 >= jpeg.size()) return false;
  }
  std::fill(jpeg.begin() + static_cast<std::ptrdiff_t>(first), jpeg.begin() + static_cast<std::ptrdiff_t>(next),
            std::uint8_t{0});
  return first < next;
}

/// As decode_by_stb, and also JPEGs with bytes and markers of no meaning after the data of a scan, which libjpeg passes
/// over and stb_image refuses.
inline MallocPixels decode_jpeg_by_stb(const ImageFile& file, Size size) {  // (height, width, 3)
  constexpr int max_scans = 100;  // a hostile file could have us start again for each of very many
  std::vector<std::uint8_t> copy;
  for (int scan = 0;; ++scan) {
    StbReader reader{copy.empty() ? file.bytes : Bytes(copy)};
    reader.byte_by_byte = !copy.empty();
    const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
    int width = 0, height = 0, channels = 0;
    MallocPixels pixels(stb::functions.load(0, &callbacks, &reader, &width, &height, &channels, 3));
    if (pixels != nullptr && !reader.past_end) {
      require_size(file, {height, width}, size);
      return pixels;
    }
    const char* const found = pixels == nullptr ? stb::functions.failure_reason() : nullptr;
    const std::string_view reason = found == nullptr ? "" : found;
    const bool at_marker = (reason == "unknown marker" || reason == "expected marker") && scan < max_scans;
    if (at_marker && copy.empty()) {
      copy.assign(file.bytes.begin(), file.bytes.end());  // once more, to learn where
    } else if (!at_marker || !blank_meaningless(copy, reader.position)) {
      fail_as_stb(file, reader);
    }
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
