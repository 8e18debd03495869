// Pixels in memory: a view of pixels, and an image that owns them.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The order of the colours in a pixel.
enum class PixelOrder {
  rgb,  ///< Red, green, blue, then alpha if there are 4 channels: Pillow's order.
  bgr,  ///< Blue, green, red, then alpha if there are 4 channels: OpenCV's order.
};

/// A view of pixels: 8 bits per channel, channels interleaved, rows from top to bottom.
struct ImageView {
  const std::uint8_t* data = nullptr;  ///< (height, width, channels), rows `stride` bytes apart.
  Index height = 0;                    ///< In pixels.
  Index width = 0;                     ///< In pixels.
  Index channels = 3;  ///< 1: grey, 2: grey and alpha, 3: colours, 4: colours and alpha. Alpha is dropped, as by
                       ///< Pillow's convert("RGB").
  Index stride = 0;    ///< Bytes from a row to the one below it, negative for a bottom-up image; 0 if rows are packed.
  PixelOrder order = PixelOrder::rgb;  ///< The order of 3 or 4 channels; grey images ignore it.

  /// (width, channels)
  const std::uint8_t* row(Index y) const { return data + y * (stride == 0 ? width * channels : stride); }
  /// The indices of a pixel's red, green and blue channels; three times the first one for a grey image.
  std::array<Index, 3> colours() const {
    if (channels < 3) return {0, 0, 0};
    return order == PixelOrder::rgb ? std::array<Index, 3>{0, 1, 2} : std::array<Index, 3>{2, 1, 0};
  }
};

/// `count` rows or columns of an image, from `first` on.
struct Window {
  Index first = 0;  ///< The first row or column, from 0.
  Index count = 0;  ///< The number of rows or columns.
};

namespace detail {

/// The longest side of an image, because Pillow's sizes are ints; no product of sizes below then overflows. If an Index
/// has only 32 bits, a square of three channels still fits.
inline constexpr Index max_image_side = sizeof(Index) > 4 ? std::numeric_limits<std::int32_t>::max() : 26754;

/// Throws ImageError unless the view can be read.
BEIT_COLD inline void require_readable(const ImageView& image) {
  const auto shape = [&] { return concat({image.height, " x ", image.width, " x ", image.channels}); };
  const auto fail = [&](const std::string& wanted) {
    throw ImageError(concat({"image: found height x width x channels ", shape(), ", wanted ", wanted}));
  };
  if (image.height < 1 || image.width < 1) fail("at least 1 x 1 pixel");
  if (image.height > max_image_side || image.width > max_image_side) {
    fail(concat({"sides of at most ", max_image_side}));
  }
  if (image.channels < 1 || image.channels > 4) fail("1 to 4 channels");
  if (image.data == nullptr) throw ImageError(concat({"image: found no pixels (data is null) for ", shape()}));
  const Index row_bytes = image.width * image.channels;
  if (image.stride != 0 && image.stride > -row_bytes && image.stride < row_bytes) {
    throw ImageError(
        concat({"image: found a stride of ", image.stride, " bytes, wanted at least ", row_bytes, " for ", shape()}));
  }
}

/// Rounds as Python's round() does: halves go to the even neighbour, whatever the processor's rounding mode.
inline double round_half_even(double x) {
  const double below = std::floor(x);
  const double rest = x - below;
  if (rest < 0.5 || (rest == 0.5 && std::fmod(below, 2.0) == 0.0)) return below;
  return below + 1.0;
}

struct Free {
  void operator()(std::uint8_t* memory) const { std::free(memory); }
};
using MallocPixels = std::unique_ptr<std::uint8_t[], Free>;

}  // namespace detail

/// An RGB image with 8 bits per channel, whose rows are packed from top to bottom.
class Image {
 public:
  Image() = default;
  /// Allocates an uninitialised image. ArgumentError for a negative side, std::bad_alloc when memory is short.
  Image(Index height, Index width) : height_(height), width_(width) {
    if (height < 0 || width < 0 || height > detail::max_image_side || width > detail::max_image_side) {
      throw ArgumentError(detail::concat(
          {"Image: found height x width ", height, " x ", width, ", wanted 0 to ", detail::max_image_side}));
    }
    if (size() > 0 && height > std::numeric_limits<Index>::max() / 3 / width) throw std::bad_alloc();
    pixels_.reset(static_cast<std::uint8_t*>(std::malloc(static_cast<std::size_t>(size()))));
    if (pixels_ == nullptr && size() > 0) throw std::bad_alloc();
  }
  /// Takes over (height, width, 3) bytes from std::malloc.
  Image(Index height, Index width, detail::MallocPixels pixels)
      : pixels_(std::move(pixels)), height_(height), width_(width) {}
  /// Copies the pixels.
  Image(const Image& other) : Image(other.height_, other.width_) {
    if (size() > 0) std::memcpy(data(), other.data(), static_cast<std::size_t>(size()));
  }
  /// Takes over the pixels of `other`, which is left empty.
  Image(Image&& other) noexcept
      : pixels_(std::move(other.pixels_)),
        height_(std::exchange(other.height_, 0)),
        width_(std::exchange(other.width_, 0)) {}
  /// Takes the pixels of `other`.
  Image& operator=(Image other) noexcept {
    std::swap(pixels_, other.pixels_);
    std::swap(height_, other.height_);
    std::swap(width_, other.width_);
    return *this;
  }

  Index height() const { return height_; }  ///< In pixels.
  Index width() const { return width_; }    ///< In pixels.
  /// The number of bytes: height * width * 3.
  Index size() const { return height_ * width_ * 3; }
  std::uint8_t* data() { return pixels_.get(); }              ///< (height, width, 3)
  const std::uint8_t* data() const { return pixels_.get(); }  ///< (height, width, 3)
  /// (height, width, 3)
  std::span<std::uint8_t> bytes() { return {data(), static_cast<std::size_t>(size())}; }
  /// (height, width, 3)
  std::span<const std::uint8_t> bytes() const { return {data(), static_cast<std::size_t>(size())}; }
  /// The view that the library's functions take.
  operator ImageView() const { return {data(), height_, width_, 3, width_ * 3}; }

 private:
  detail::MallocPixels pixels_;  // (height, width, 3)
  Index height_ = 0;
  Index width_ = 0;
};

}  // namespace beit::inline BEIT_ABI
