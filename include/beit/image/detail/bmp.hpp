// Reads BMP by stb_image, after checks that it leaves out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

inline bool is_bmp(Bytes bytes) { return starts_with(bytes, "BM"); }

/// Checks the header. For an image with a palette, returns a copy of the file with 256 colours, else nothing.
BEIT_COLD inline std::vector<std::uint8_t> check_bmp(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  constexpr std::size_t os2_header = 26, windows_header = 54;
  file.require(0, os2_header, "header");
  const std::size_t offset = little32(bytes, 10);
  const std::size_t header = std::size_t{14} + little32(bytes, 14);
  const bool os2 = header == os2_header;
  if (!os2) file.require(0, windows_header, "header");
  file.require(0, header, "header");
  file.require(offset, 1, "pixels");
  const std::uint32_t bits = os2 ? little16(bytes, 24) : little16(bytes, 28);
  if (!os2 && (little32(bytes, 30) == 1 || little32(bytes, 30) == 2)) {
    file.fail("found a run-length encoded BMP, wanted one without compression");
  }
  if (bits > 8) return {};

  // Reads the colours that the header promises, or as many as there is room for.
  const std::size_t entry = os2 ? 3 : 4;
  const std::size_t used = os2 ? 0 : little32(bytes, 46);
  const std::size_t promised = used == 0 || used > 256 ? std::size_t{1} << bits : used;
  if (offset < header + entry) file.fail(concat({"damaged BMP: found no palette for ", bits, " bits per pixel"}));
  std::vector<std::uint8_t> colours;
  for (std::size_t i = 0; i < std::min(promised, (offset - header) / entry); ++i) {
    append(colours, bytes.subspan(header + i * entry, 3));
  }
  colours = full_palette(colours);

  // Turns an OS/2 header into a Windows header, because stb_image miscounts the colours of the former.
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
  if (os2) {
    copy.assign(windows_header, 0);
    std::copy_n(bytes.begin(), 14, copy.begin());
    copy[14] = windows_header - 14;
    std::copy_n(bytes.begin() + 18, 2, copy.begin() + 18);  // width
    std::copy_n(bytes.begin() + 20, 2, copy.begin() + 22);  // height
    std::copy_n(bytes.begin() + 22, 4, copy.begin() + 26);  // planes, bits
  }
  const std::size_t moved = copy.size() + 256 * 4;
  for (std::size_t i = 0; i < 4; ++i) copy[10 + i] = static_cast<std::uint8_t>(moved >> (8 * i));
  for (std::size_t i = 0; i < 256; ++i) {
    append(copy, Bytes(colours).subspan(3 * i, 3));
    copy.push_back(0);
  }
  append(copy, bytes.subspan(offset));
  return copy;
}

inline Decoded decode_bmp(const ImageFile& file, const DecodeOptions& options) {
  const std::vector<std::uint8_t> copy = check_bmp(file);
  const ImageFile readable = file.repaired(copy);
  return {decode_by_stb(readable, read_size_by_stb(readable, options))};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
