// Reads JPEG by stb_image, with checks that it leaves out, and repairs files for which it is too strict.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/jpeg_markers.hpp>
#include <beit/image/detail/jpeg_segments.hpp>
#include <beit/image/detail/jpeg_tables.hpp>
#include <beit/image/detail/stb_decode.hpp>
#include <beit/image/detail/stb_image.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Helps stb_image over the marker before `end` at which it has given up: writes zeros, which it skips, over the fill
/// bytes (FF) before the marker and, if that is meaningless, up to the next segment. Returns false if that doesn't
/// help.
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

/// Throws ImageError if a restart marker with data behind it stands between `at`, where stb_image has given up, and the
/// next segment: stb_image has lost what follows.
inline void require_no_restart(const ImageFile& file, Bytes jpeg, std::size_t at) {
  for (JpegMarker next = next_jpeg_marker(jpeg, at); is_meaningless_marker(next.code) && next.code != 0;
       next = next_jpeg_marker(jpeg, next.at + 2)) {
    if (next.code >= 0xd0 && next.at + 2 < jpeg.size() && jpeg[next.at + 2] != 0xff) {
      file.fail("damaged JPEG: found more data than pixels before a restart marker");
    }
  }
}

/// Loads the pixels, also of a JPEG with meaningless bytes and markers after a scan's data or before a restart marker,
/// or with wrong codes, which libjpeg passes over and stb_image refuses.
inline MallocPixels load_jpeg(const ImageFile& file, Size size, const JpegSegments& segments) {  // (height, width, 3)
  constexpr int max_scans = 100;  // a hostile file could make us start again for very many
  std::vector<std::uint8_t> copy;
  if (!segments.restarts_fit) copy = with_whole_scans(file);
  for (int scan = 0;; ++scan) {
    StbReader reader{copy.empty() ? file.bytes : Bytes(copy)};
    reader.byte_by_byte = !copy.empty();
    const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
    int width = 0, height = 0, channels = 0;
    MallocPixels pixels(stb::functions.load(&callbacks, &reader, &width, &height, &channels, 3));
    if (pixels != nullptr && !reader.past_end) {
      require_size(file, {height, width}, size);
      return pixels;
    }
    const char* const found = pixels == nullptr ? stb::functions.failure_reason() : nullptr;
    const std::string_view reason = found == nullptr ? "" : found;
    const bool at_marker = (reason == "unknown marker" || reason == "expected marker") && scan < max_scans;
    const bool at_code = reason == "bad huffman code" && segments.sequential;
    if ((at_marker || at_code) && copy.empty()) {
      const bool anew = at_code || (segments.interval != 0 && segments.sequential);
      copy = anew ? with_whole_scans(file) : std::vector<std::uint8_t>(file.bytes.begin(), file.bytes.end());
      continue;  // tries again byte by byte, to learn where
    }
    if (at_marker && segments.interval != 0) {
      require_no_restart(file, copy, std::max(reader.position, std::size_t{2}) - 2);
    }
    if (!at_marker || !blank_meaningless(copy, reader.position)) fail_as_stb(file, reader);
  }
}

inline Decoded decode_jpeg_by_stb(const ImageFile& file, const DecodeOptions& options) {
  Bytes whole = file.bytes;
  std::vector<std::uint8_t> ended, repaired, completed;
  if (options.allow_truncated) {
    append(ended, whole);
    append(ended, end_of_image);
    whole = ended;
  }
  const JpegSegments segments = check_jpeg({whole, file.name});
  repaired = without_obstacles(whole, segments);
  if (!repaired.empty()) whole = repaired;
  if (segments.wants_standard_tables) {
    completed = with_standard_huffman_tables(whole);
    whole = completed;
  }
  const ImageFile readable{whole, file.name};
  const Size size = read_size_by_stb(readable, options);
  return {Image(size.height, size.width, load_jpeg(readable, size, segments)), segments.orientation};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
