// PNG, BMP and TGA files checked, and short palettes filled up, before stb_image sees them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Checks that every chunk lies in the file and that stb_image knows those that matter (its message about one that it
/// doesn't know is not thread-safe). Returns a copy with 256 colours if the palette is shorter, else nothing.
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

/// Checks that a PNG, which check_png has passed, has data enough for its pixels: for a few bytes that claim to be very
/// many, memory would be taken first.
BEIT_COLD inline void check_png_data(const ImageFile& file, Size size) {
  constexpr std::uint64_t most_inflated = 1032;  // bytes that deflate makes of one: 258 of two bits
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

/// Checks the header. Returns a copy with 256 colours, for an image with a palette, else nothing.
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

  // The colours that the header promises, or as many as there is room for.
  const std::size_t entry = os2 ? 3 : 4;
  const std::size_t used = os2 ? 0 : little32(bytes, 46);
  const std::size_t promised = used == 0 || used > 256 ? std::size_t{1} << bits : used;
  if (offset < header + entry) file.fail(concat({"damaged BMP: found no palette for ", bits, " bits a pixel"}));
  std::vector<std::uint8_t> colors;
  for (std::size_t i = 0; i < std::min(promised, (offset - header) / entry); ++i) {
    append(colors, bytes.subspan(header + i * entry, 3));
  }
  colors = full_palette(colors);

  // An OS/2 header becomes a Windows header: stb_image miscounts the colours of the former.
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
    append(copy, Bytes(colors).subspan(3 * i, 3));
    copy.push_back(0);
  }
  append(copy, bytes.subspan(offset));
  return copy;
}

/// Checks that a TGA without compression has all its pixels: stb_image doesn't look whether a row could be read.
BEIT_COLD inline void check_tga(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  file.require(0, 18, "header");
  const std::size_t pixel_bytes = (bytes[16] + std::size_t{7}) / 8;
  const std::size_t palette_bytes = bytes[1] == 1 ? little16(bytes, 5) * ((bytes[7] + std::size_t{7}) / 8) : 0;
  const bool compressed = bytes[2] >= 8;
  const std::size_t pixels = compressed ? 0 : std::size_t{little16(bytes, 12)} * little16(bytes, 14) * pixel_bytes;
  file.require(18 + std::size_t{bytes[0]}, palette_bytes + pixels, "pixels");
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
