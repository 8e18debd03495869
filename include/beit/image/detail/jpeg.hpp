// Reads JPEG by libjpeg-turbo if BEIT_USE_LIBJPEG_TURBO is set, else by stb_image.
#pragma once

#include <beit/core/version.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/jpeg_markers.hpp>
#if BEIT_USE_LIBJPEG_TURBO
#include <beit/image/detail/jpeg_turbo.hpp>
#else
#include <beit/image/detail/jpeg_stb.hpp>
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

#if BEIT_USE_LIBJPEG_TURBO
inline constexpr ImageReader decode_jpeg = &decode_jpeg_by_turbo;
#else
inline constexpr ImageReader decode_jpeg = &decode_jpeg_by_stb;
#endif

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
