// Reads PNG by stb_image, after checks that it leaves out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/palette.hpp>
#include <beit/image/detail/stb_decode.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline bool is_png(Bytes bytes) { return starts_with(bytes, "\x89PNG\r\n\x1a\n"); }

/// Checks that every chunk lies in the file and that stb_image knows all critical ones (its message about an unknown
/// one isn't thread-safe). Returns a copy of the file with 256 colours if the palette is shorter, else nothing.
BEIT_COLD inline std::vector<std::uint8_t> check_png(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  std::vector<std::uint8_t> copy;
  bool found_palette = false;
  file.require(8, 25, "header");
  if (big32(bytes, 16) == 0 || big32(bytes, 20) == 0) {
    file.fail(concat({"found ", big32(bytes, 20), " x ", big32(bytes, 16), " pixels, wanted at least 1 x 1"}));
  }
  for (std::size_t at = 8;;) {
    constexpr std::size_t frame = 12;  // length 4, type 4, checksum 4
    file.require(at, frame, "next chunk");
    const std::size_t length = big32(bytes, at);
    const std::string type(reinterpret_cast<const char*>(bytes.data()) + at + 4, 4);
    file.require(at + 8, length + 4, "chunk");
    if (type == "PLTE" && !found_palette && length <= 768 && length % 3 == 0) {
      found_palette = true;
      if (length < 768) {
        append(copy, bytes.first(at));
        append(copy, std::array<std::uint8_t, 8>{0, 0, 3, 0, 'P', 'L', 'T', 'E'});
        append(copy, full_palette(bytes.subspan(at + 8, length)));
        append(copy, bytes.subspan(at + 8 + length));
      }
    }
    const bool critical = (bytes[at + 4] & 0x20) == 0;
    if (critical && type != "IHDR" && type != "PLTE" && type != "IDAT" && type != "IEND" && type != "CgBI") {
      file.fail(concat({"damaged PNG: found an unknown chunk at ", at}));
    }
    if (type == "IEND") return copy;
    at += frame + length;
  }
}

/// Checks that a PNG, which has passed check_png, has enough data for its pixels. Otherwise a small file that claims to
/// be huge would have memory allocated first.
BEIT_COLD inline void check_png_data(const ImageFile& file, Size size) {
  constexpr std::uint64_t most_inflated = 1032;  // bytes that deflate can make from one: 258 from two bits
  std::uint64_t data_bytes = 0;
  for (std::size_t at = 8; !starts_with(file.bytes.subspan(at + 4), "IEND"); at += 12 + big32(file.bytes, at)) {
    if (starts_with(file.bytes.subspan(at + 4), "IDAT")) data_bytes += big32(file.bytes, at);
  }
  const std::uint64_t channels = file.bytes[25] == 2 ? 3 : file.bytes[25] == 4 ? 2 : file.bytes[25] == 6 ? 4 : 1;
  const std::uint64_t bits = channels * file.bytes[24] * static_cast<std::uint64_t>(size.area());
  if (bits / 8 > data_bytes * most_inflated) {
    file.fail(concat({"truncated: found ", data_bytes, " bytes of compressed data, which can't be ", size.height, " x ",
                      size.width, " pixels"}));
  }
}

inline Decoded decode_png(const ImageFile& file, const DecodeOptions& options) {
  const std::vector<std::uint8_t> copy = check_png(file);
  const ImageFile readable = file.repaired(copy);
  const Size size = read_size_by_stb(readable, options);
  check_png_data(file, size);
  return {decode_by_stb(readable, size)};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
