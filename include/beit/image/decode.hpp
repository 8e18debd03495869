// Image files to RGB: what Pillow's Image.open(path).convert("RGB") gives, decoded by stb_image, or by a format's own
// library where BEIT_USE_LIBJPEG_TURBO, BEIT_USE_LIBWEBP, BEIT_USE_LIBTIFF, BEIT_USE_LIBAVIF or BEIT_USE_LIBHEIF is
// set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

/// The RGB image in a file's bytes; `name` begins every message.
///
/// JPEG, PNG, BMP, GIF, TGA, PBM, PGM and PPM, and of the optional formats (formats.hpp) those that this build reads;
/// of an animation or of several pages the first. Equal to Pillow's convert("RGB") but for JPEG, whose decoders round
/// differently unless BEIT_USE_LIBJPEG_TURBO has Pillow's decode it, and grey of 16 bits, which is scaled by its high
/// byte where Pillow clips to white. TIFF, as by Pillow, and HEIC come upright; the others as they are stored. Throws
/// ImageError for bytes that are no such image, damaged, truncated, or an image larger than the limit.
BEIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options = {},
                               const std::string& name = "image in memory");

/// The same for std::byte.
inline Image decode_image(std::span<const std::byte> bytes, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, options, name);
}

/// The same for a pointer and a number of bytes.
inline Image decode_image(const std::uint8_t* bytes, std::size_t size, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  return decode_image(std::span<const std::uint8_t>(bytes, size), options, name);
}

/// The RGB image in a file. Throws FileError for a path that can't be read, and what decode_image throws.
BEIT_INLINE Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/decode_impl.hpp>
#endif
