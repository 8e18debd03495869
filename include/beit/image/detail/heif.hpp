// Reads HEIC by libheif: the primary image, turned as the file says.
#pragma once

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/avif.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/iso_brands.hpp>

#if BEIT_USE_LIBHEIF
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include <libheif/heif.h>

#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/image.hpp>
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

BEIT_COLD inline bool is_heif(Bytes bytes) {
  return has_brand(bytes, {"heic", "heix", "heim", "heis", "hevc", "hevx"}) ||
         (has_brand(bytes, {"mif1", "msf1"}) && !is_avif(bytes));
}

#if BEIT_USE_LIBHEIF

inline Decoded decode_heif(const ImageFile& file, const DecodeOptions& options) {
  const auto require = [&](const heif_error& error) {
    if (error.code == heif_error_Ok) return;
    if (error.subcode == heif_suberror_End_of_data) fail_as_truncated(file);
    file.fail(concat({"damaged or unknown HEIC (",
                      error.message == nullptr || *error.message == '\0' ? "no reason" : error.message, ")"}));
  };
  const std::unique_ptr<heif_context, void (*)(heif_context*)> context(heif_context_alloc(), &heif_context_free);
  if (context == nullptr) throw std::bad_alloc();
  require(heif_context_read_from_memory_without_copy(context.get(), file.bytes.data(), file.bytes.size(), nullptr));
  heif_image_handle* opened = nullptr;
  require(heif_context_get_primary_image_handle(context.get(), &opened));
  const std::unique_ptr<heif_image_handle, void (*)(const heif_image_handle*)> handle(opened,
                                                                                      &heif_image_handle_release);
  check_size(file, heif_image_handle_get_height(opened), heif_image_handle_get_width(opened), options.max_pixels);

  heif_image* decoded = nullptr;
  require(heif_decode_image(opened, &decoded, heif_colorspace_RGB, heif_chroma_interleaved_RGB, nullptr));
  const std::unique_ptr<heif_image, void (*)(const heif_image*)> pixels(decoded, &heif_image_release);
  int stride = 0;
  const std::uint8_t* rows = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
  if (rows == nullptr) file.fail("damaged HEIC: found no pixels");
  // The sides may have changed places: the library's header leaves out a rotation that the file names before the size.
  const Index height = heif_image_get_height(decoded, heif_channel_interleaved);
  const Index width = heif_image_get_width(decoded, heif_channel_interleaved);
  check_size(file, height, width, options.max_pixels);
  Image image(height, width);
  for (Index y = 0; y < height; ++y) std::copy_n(rows + y * stride, width * 3, image.data() + y * width * 3);
  return {std::move(image)};
}

#else

inline constexpr ImageReader decode_heif = nullptr;

#endif

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
