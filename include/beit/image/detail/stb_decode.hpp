// Calls stb_image for a JPEG, and reports its errors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/stb_image.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Feeds stb_image and notices when it asks for more bytes than there are: stb_image would continue with zeros and make
/// the rest grey.
struct StbReader {
  Bytes bytes;
  std::size_t position = 0;
  bool past_end = false;
  bool byte_by_byte =
      false;  ///< Return single bytes after the first call, so that `position` is where stb_image reads.

  static int read(void* user, char* out, int size) {
    StbReader& reader = *static_cast<StbReader*>(user);
    const bool single = reader.byte_by_byte && reader.position > 0;
    const std::size_t wanted = single ? 1 : static_cast<std::size_t>(std::max(size, 0));
    const std::size_t count = std::min(wanted, reader.bytes.size() - reader.position);
    // stb_image fills a buffer of 128 bytes ahead of need, but only when that is empty.
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
  const char* const found = stb::functions.failure_reason();
  const std::string_view reason = found == nullptr ? "" : found;
  // stb_image has an empty reason for some errors, and says the other one where it can't read a header.
  if (reason.empty() || reason == "unknown image type") file.fail("damaged or unknown JPEG");
  file.fail(concat({"damaged or unknown JPEG (", reason, ")"}));
}

/// Reads the size in the file's header, and checks it.
BEIT_COLD inline Size read_size_by_stb(const ImageFile& file, const DecodeOptions& options) {
  StbReader reader{file.bytes};
  const stb::stbi_io_callbacks callbacks = StbReader::callbacks();
  int width = 0, height = 0, channels = 0;
  if (stb::functions.info(&callbacks, &reader, &width, &height, &channels) == 0) fail_as_stb(file, reader);
  const Size size{height, width};
  check_size(file, size.height, size.width, options.max_pixels);
  return size;
}

/// Throws ImageError unless the image has the size that the header says.
inline void require_size(const ImageFile& file, Size found, Size wanted) {
  if (found == wanted) return;
  file.fail(concat({"damaged: found ", found.height, " x ", found.width, " pixels where the header says ",
                    wanted.height, " x ", wanted.width}));
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
