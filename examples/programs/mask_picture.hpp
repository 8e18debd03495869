// Draws what pre-training learned, in a picture with one row per image.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "text_picture.hpp"

namespace programs {

/// Shows images side by side under their titles, row after row, with a line of text below each row.
class MaskPicture {
 public:
  static constexpr beit::Index margin = 24, line_height = 40, columns = 4;
  static constexpr std::array<const char*, columns> titles{"image", "hidden patches", "original tokens",
                                                           "predicted tokens"};

  /// Makes room for `rows` rows of images of this size.
  MaskPicture(beit::Size size, beit::Index rows)
      : size_(size),
        column_width_(std::max(size.width, widest_title())),
        picture_(margin + line_height + rows * row_height(), margin + columns * (column_width_ + margin), white) {
    for (beit::Index i = 0; i < columns; ++i) {
      picture_.write(left(i), margin, titles[static_cast<std::size_t>(i)], 2, black);
    }
  }

  void draw(const std::array<beit::Image, columns>& images, const std::string& caption) {
    const beit::Index top = margin + line_height + row_++ * row_height();
    for (beit::Index i = 0; i < columns; ++i) picture_.draw(left(i), top, images[static_cast<std::size_t>(i)]);
    picture_.write(margin, top + size_.height + 8, caption, 2, black);
  }

  const TextPicture& picture() const { return picture_; }

 private:
  static constexpr Colour white{255, 255, 255}, black{0, 0, 0};

  beit::Index row_height() const { return size_.height + line_height + margin; }
  beit::Index left(beit::Index column) const { return margin + column * (column_width_ + margin); }
  static beit::Index widest_title() {
    beit::Index width = 0;
    for (const char* title : titles) width = std::max(width, TextPicture::text_width(title, 2));
    return width;
  }

  beit::Size size_;
  beit::Index column_width_;
  TextPicture picture_;
  beit::Index row_ = 0;
};

/// Paints the patches that a mask hides in one even grey. The size of `image` is about a multiple of the grid's.
inline beit::Image with_mask(beit::Image image, const std::vector<std::uint8_t>& mask, beit::Size grid) {
  for (beit::Index y = 0; y < image.height(); ++y) {
    for (beit::Index x = 0; x < image.width(); ++x) {
      const beit::Index patch = y * grid.height / image.height() * grid.width + x * grid.width / image.width();
      if (mask[static_cast<std::size_t>(patch)] == 0) continue;
      for (beit::Index c = 0; c < 3; ++c) image.data()[3 * (y * image.width() + x) + c] = 128;
    }
  }
  return image;
}

/// Shows tokens that can't be decoded to pixels: paints over each hidden patch the visible patch whose own token's code
/// is nearest to that of the hidden patch's token in `shown`; it stays grey if no patch is visible. `image` has the
/// hidden patches in grey, `own` the tokens of its patches, and row i of `codes` belongs to token i.
inline beit::Image with_nearest_patches(beit::Image image, const std::vector<std::uint8_t>& mask,
                                        const beit::Tokens& own, const beit::Tokens& shown,
                                        beit::Matrix::ConstMap codes) {
  const beit::Size grid = own.grid;
  const beit::Image seen = image;
  const auto code = [&](const beit::Tokens& tokens, beit::Index patch) {
    return codes.row(tokens.values[static_cast<std::size_t>(patch)]);
  };
  // Its size is about a multiple of the grid's, so that patches differ by a pixel.
  const auto start = [](beit::Index patch, beit::Index size, beit::Index count) {
    return (patch * size + count - 1) / count;
  };
  for (beit::Index patch = 0; patch < grid.area(); ++patch) {
    if (mask[static_cast<std::size_t>(patch)] == 0) continue;
    beit::Index nearest = -1;
    float least = 0;
    for (beit::Index other = 0; other < grid.area(); ++other) {
      if (mask[static_cast<std::size_t>(other)] != 0) continue;
      const float distance = (code(shown, patch) - code(own, other)).squaredNorm();
      if (nearest < 0 || distance < least) {
        nearest = other;
        least = distance;
      }
    }
    if (nearest < 0) continue;
    const auto at = [&](beit::Index of, beit::Index down, beit::Index across) {
      const beit::Index y = start(of / grid.width, image.height(), grid.height) + down;
      const beit::Index x = start(of % grid.width, image.width(), grid.width) + across;
      return 3 * (std::min(y, image.height() - 1) * image.width() + std::min(x, image.width() - 1));
    };
    const beit::Index row = patch / grid.width, column = patch % grid.width;
    const beit::Index height = start(row + 1, image.height(), grid.height) - start(row, image.height(), grid.height);
    const beit::Index width = start(column + 1, image.width(), grid.width) - start(column, image.width(), grid.width);
    for (beit::Index down = 0; down < height; ++down) {
      for (beit::Index across = 0; across < width; ++across) {
        std::copy_n(seen.data() + at(nearest, down, across), 3, image.data() + at(patch, down, across));
      }
    }
  }
  return image;
}

}  // namespace programs
