// The interface of an image format's reader: its arguments, errors and result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A file's bytes, and its name for messages; it owns neither.
struct ImageFile {
  Bytes bytes;
  const std::string& name;

  [[noreturn]] BEIT_COLD void fail(const std::string& message) const {
    throw ImageError(concat({name, ": ", message}));
  }

  /// Throws ImageError unless `count` bytes are left at `offset`; `what` names what they hold.
  void require(std::size_t offset, std::size_t count, const char* what) const {
    if (offset > bytes.size() || count > bytes.size() - offset) {
      fail(concat({"truncated: found ", bytes.size(), " bytes, wanted ", count, " at ", offset, " for its ", what}));
    }
  }

  /// The file with a repaired copy of its bytes, or the file itself if the copy is empty.
  ImageFile repaired(Bytes copy) const { return {copy.empty() ? bytes : copy, name}; }
};

/// The result of a reader.
struct Decoded {
  Image image;          ///< The pixels as they are stored.
  int orientation = 1;  ///< How to turn them: EXIF's 1 (upright) to 8.
};

/// Reads one format. Throws ImageError for a file that is truncated, damaged or of an unsupported kind, and, before it
/// allocates memory for the pixels, for an image with more than options.max_pixels.
using ImageReader = Decoded (*)(const ImageFile& file, const DecodeOptions& options);

/// Throws ImageError for an image without pixels or with more than the limit.
BEIT_COLD inline void check_size(const ImageFile& file, std::int64_t height, std::int64_t width,
                                 std::int64_t max_pixels) {
  if (height < 1 || width < 1) {
    file.fail(concat({"found ", height, " x ", width, " pixels, wanted at least 1 x 1"}));
  }
  if (height > max_pixels / width) {
    file.fail(concat({"found ", height, " x ", width, " pixels (", height * width, "), wanted at most ", max_pixels,
                      " (max_pixels)"}));
  }
}

[[noreturn]] BEIT_COLD inline void fail_as_truncated(const ImageFile& file) {
  file.fail(concat({"truncated: the image goes on after the ", file.bytes.size(), " bytes found"}));
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
