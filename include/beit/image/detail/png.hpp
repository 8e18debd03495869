// Reads PNG, with the pixels and the refusals of Pillow.
//
// Source: Pillow's src/libImaging/ZipDecode.c.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/inflate.hpp>
#include <beit/image/detail/png_chunks.hpp>
#include <beit/image/detail/png_orientation.hpp>
#include <beit/image/detail/png_rows.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline bool is_png(Bytes bytes) { return starts_with(bytes, "\x89PNG\r\n\x1a\n"); }

/// Some of an image's pixels, every `step`-th from `first` on; an interlaced PNG stores seven such parts in turn.
struct PngPass {
  Size first, step;

  /// The pass's size in an image of this size.
  Size size_in(Size image) const {
    return {(image.height - first.height + step.height - 1) / step.height,
            (image.width - first.width + step.width - 1) / step.width};
  }
};
inline constexpr PngPass png_whole{{0, 0}, {1, 1}};
inline constexpr std::array png_passes{PngPass{{0, 0}, {8, 8}}, PngPass{{0, 4}, {8, 8}}, PngPass{{4, 0}, {8, 4}},
                                       PngPass{{0, 2}, {4, 4}}, PngPass{{2, 0}, {4, 2}}, PngPass{{0, 1}, {2, 2}},
                                       PngPass{{1, 0}, {2, 1}}};

/// Reads the pixels, row by row. As in Pillow, they are zero behind a stream that ends well between two rows.
class PngPixels {
 public:
  PngPixels(const ImageFile& file, const PngChunks& png, Bytes data)
      : file_(file),
        png_(png),
        colours_(png),
        size_{static_cast<Index>(png.height), static_cast<Index>(png.width)},
        row_(row_bytes(size_.width)),
        above_(row_.size()),
        stream_(data, 1 + row_.size()) {}

  Image read() {
    Image image(size_.height, size_.width);
    if (png_.interlaced) {
      for (const PngPass& pass : png_passes) read_pass(pass, image);
    } else {
      read_pass(png_whole, image);
    }
    if (!stream_.finish()) fail();
    return image;
  }

 private:
  std::size_t row_bytes(Index width) const { return (static_cast<std::size_t>(width) * png_.pixel_bits() + 7) / 8; }

  void read_pass(const PngPass& pass, Image& image) {
    const Size size = pass.size_in(size_);
    if (size.width < 1) return;
    std::fill(above_.begin(), above_.end(), std::uint8_t{0});
    for (Index y = 0; y < size.height; ++y) {
      read_row(row_bytes(size.width));
      const Index to = (pass.first.height + y * pass.step.height) * size_.width + pass.first.width;
      colours_.to_rgb(row_.data(), size.width, pass.step.width, image.data() + to * 3);
      std::swap(row_, above_);
    }
  }

  void read_row(std::size_t bytes) {
    const Bytes filtered = stream_.next(1 + bytes);
    if (filtered.empty() && has_rows_ && stream_.ended()) {
      std::fill(row_.begin(), row_.end(), std::uint8_t{0});
      return;
    }
    if (filtered.size() < 1 + bytes) fail();
    has_rows_ = true;
    const std::size_t pixel_bytes = (png_.pixel_bits() + 7) / 8;
    if (!restore_png_row(filtered[0], pixel_bytes, filtered.data() + 1, above_.data(), bytes, row_.data())) {
      file_.fail(concat({"damaged PNG: found a row filtered by method ", int{filtered[0]}, ", wanted 0 to 4"}));
    }
  }

  [[noreturn]] BEIT_COLD void fail() const {
    if (!stream_.damaged()) fail_as_truncated(file_);
    file_.fail("damaged PNG: its compressed data are wrong");
  }

  const ImageFile& file_;
  const PngChunks& png_;
  PngColours colours_;
  Size size_;
  std::vector<std::uint8_t> row_, above_;  // restored, without the method
  Inflater stream_;
  bool has_rows_ = false;
};

inline Decoded decode_png(const ImageFile& file, const DecodeOptions& options) {
  const PngChunks png = PngWalk(file).read();
  check_size(file, png.height, png.width, options.max_pixels);
  std::vector<std::uint8_t> joined;
  if (png.data.size() > 1) {
    for (const Bytes piece : png.data) append(joined, piece);
  }
  const Bytes data = joined.empty() ? png.data[0] : Bytes(joined);
  // A small file that claims to be huge must not have memory allocated.
  constexpr std::uint64_t most_inflated = 1032;  // bytes that deflate can make from one: 258 from two bits
  const std::uint64_t pixels = std::uint64_t{png.height} * png.width;
  if (pixels * png.pixel_bits() / 8 > data.size() * most_inflated) {
    file.fail(concat({"truncated: found ", data.size(), " bytes of compressed data, which can't be ", png.height, " x ",
                      png.width, " pixels"}));
  }
  return {PngPixels(file, png, data).read(), options.apply_exif_orientation ? png_orientation(png) : 1};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
