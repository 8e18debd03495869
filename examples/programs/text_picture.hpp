// Draws pictures made of rectangles, images and text in DejaVu Sans.
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

/// Says how much of each pixel a line of text covers, from 0 to 255.
struct TextMask {
  beit::Index height, width;
  beit::Index above;                   // rows above the top of a capital letter
  std::vector<std::uint8_t> coverage;  // (height, width)
};

/// Draws `text` (UTF-8) so that its capital letters are `capital_height` pixels high. The font has Latin letters only;
/// any other character becomes a question mark.
TextMask text_mask(const std::string& text, beit::Index capital_height);

/// A picture of RGB pixels.
class TextPicture {
 public:
  /// The height of capital letters in pixels at a scale of 1, which is small but legible on screens with two pixels per
  /// point.
  static constexpr beit::Index capital_height = 14;

  TextPicture(beit::Index height, beit::Index width, Colour colour)
      : height_(height), width_(width), pixels_(static_cast<std::size_t>(height * width * 3)) {
    fill(0, 0, width, height, colour);
  }

  static beit::Index text_width(const std::string& text, beit::Index scale) {
    return text_mask(text, capital_height * scale).width;
  }

  /// Fills a rectangle; parts outside of the picture are ignored.
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

  /// Writes from (x, y) upwards, with the text turned to the left.
  void write_upwards(beit::Index x, beit::Index y, const std::string& text, beit::Index scale, Colour colour) {
    const TextMask mask = text_mask(text, capital_height * scale);
    for (beit::Index row = 0; row < mask.height; ++row) {
      for (beit::Index col = 0; col < mask.width; ++col) {
        cover(x - mask.above + row, y - 1 - col, mask, row, col, colour);
      }
    }
  }

  /// Draws a frame inside these bounds, with lines `line` pixels thick.
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
  /// Blends the colour into a pixel as far as the mask covers it.
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
