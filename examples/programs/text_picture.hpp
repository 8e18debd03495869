// A picture of rectangles and of text in DejaVu Sans.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

using Colour = std::array<std::uint8_t, 3>;  // red, green, blue

/// How much of each pixel a line of text covers, 0 to 255.
struct TextMask {
  beit::Index height, width;
  beit::Index above;                   // rows above the top of a capital letter
  std::vector<std::uint8_t> coverage;  // (height, width)
};

/// `text` (UTF-8) in capital letters of that many pixels' height, by stb_truetype. Latin letters; what else there is
/// becomes a question mark.
TextMask text_mask(const std::string& text, beit::Index capital_height);

class TextPicture {
 public:
  /// Pixels, at a scale of 1: what screens of two pixels a point show small, but legibly.
  static constexpr beit::Index capital_height = 14;

  TextPicture(beit::Index height, beit::Index width, Colour colour)
      : height_(height), width_(width), pixels_(static_cast<std::size_t>(height * width * 3)) {
    fill(0, 0, width, height, colour);
  }

  static beit::Index text_width(const std::string& text, beit::Index scale) {
    return text_mask(text, capital_height * scale).width;
  }

  /// What lies outside the picture is left out.
  void fill(beit::Index x, beit::Index y, beit::Index width, beit::Index height, Colour colour) {
    for (beit::Index row = std::max<beit::Index>(y, 0); row < std::min(y + height, height_); ++row) {
      for (beit::Index col = std::max<beit::Index>(x, 0); col < std::min(x + width, width_); ++col) {
        std::copy(colour.begin(), colour.end(), pixels_.begin() + (row * width_ + col) * 3);
      }
    }
  }

  void write(beit::Index x, beit::Index y, const std::string& text, beit::Index scale, Colour colour) {
    const TextMask mask = text_mask(text, capital_height * scale);
    for (beit::Index row = 0; row < mask.height; ++row) {
      for (beit::Index col = 0; col < mask.width; ++col) cover(x + col, y - mask.above + row, mask, row, col, colour);
    }
  }

  /// From (x, y) upwards, turned to the left.
  void write_upwards(beit::Index x, beit::Index y, const std::string& text, beit::Index scale, Colour colour) {
    const TextMask mask = text_mask(text, capital_height * scale);
    for (beit::Index row = 0; row < mask.height; ++row) {
      for (beit::Index col = 0; col < mask.width; ++col) {
        cover(x - mask.above + row, y - 1 - col, mask, row, col, colour);
      }
    }
  }

  /// A frame of lines that thick, inside these bounds.
  void outline(beit::Index x, beit::Index y, beit::Index width, beit::Index height, beit::Index line, Colour colour) {
    fill(x, y, width, line, colour);
    fill(x, y + height - line, width, line, colour);
    fill(x, y, line, height, colour);
    fill(x + width - line, y, line, height, colour);
  }

  void draw(beit::Index x, beit::Index y, const beit::Image& image) {
    for (beit::Index row = 0; row < image.height(); ++row) {
      for (beit::Index col = 0; col < image.width(); ++col) {
        const std::uint8_t* const p = image.data() + 3 * (row * image.width() + col);
        fill(x + col, y + row, 1, 1, {p[0], p[1], p[2]});
      }
    }
  }

  beit::Index height() const { return height_; }
  beit::Index width() const { return width_; }
  std::span<const std::uint8_t> pixels() const { return pixels_; }

 private:
  /// Mixes the colour into a pixel by what the mask says of it.
  void cover(beit::Index x, beit::Index y, const TextMask& mask, beit::Index row, beit::Index col, Colour colour) {
    const int part = mask.coverage[static_cast<std::size_t>(row * mask.width + col)];
    if (part == 0 || x < 0 || y < 0 || x >= width_ || y >= height_) return;
    std::uint8_t* const pixel = pixels_.data() + (y * width_ + x) * 3;
    for (std::size_t c = 0; c < 3; ++c) {
      pixel[c] = static_cast<std::uint8_t>((part * colour[c] + (255 - part) * pixel[c] + 127) / 255);
    }
  }

  beit::Index height_, width_;
  std::vector<std::uint8_t> pixels_;  // (height, width, 3)
};

}  // namespace programs
