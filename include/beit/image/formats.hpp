// The image formats that this build reads: always those that need no library, and those of optional libraries for which
// BEIT_USE_LIBWEBP, BEIT_USE_LIBTIFF, BEIT_USE_LIBAVIF or BEIT_USE_LIBHEIF is set.
#pragma once

#include <filesystem>
#include <string>

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The names of the formats that decode_image reads: "JPEG, PNG, BMP, GIF, TGA, PBM, PGM, PPM, PFM, QOI or WebP".
BEIT_INLINE std::string image_formats();

/// Whether decode_image reads files with this name's extension, in letters of either case.
BEIT_INLINE bool is_image_name(const std::filesystem::path& path);

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/formats_impl.hpp>
#endif
