// A picture of rectangles and of text in a small bitmap font.
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

/// A rectangle of the font's pixels.
struct TextBox {
  beit::Index x, y, width, height;
};

/// The rectangles that draw `text` in letters 7 pixels high (stb_easy_font); what isn't ASCII is a question mark.
std::vector<TextBox> text_boxes(const std::string& text);

class TextPicture {
 public:
  TextPicture(beit::Index height, beit::Index width, Colour colour)
      : height_(height), width_(width), pixels_(static_cast<std::size_t>(height * width * 3)) {
    fill(0, 0, width, height, colour);
  }

  static beit::Index text_width(const std::string& text, beit::Index scale) {
    beit::Index width = 0;
    for (const TextBox& box : text_boxes(text)) width = std::max(width, box.x + box.width);
    return width * scale;
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
    for (const TextBox& b : text_boxes(text)) {
      fill(x + b.x * scale, y + b.y * scale, b.width * scale, b.height * scale, colour);
    }
  }

  /// From (x, y) upwards, turned to the left.
  void write_upwards(beit::Index x, beit::Index y, const std::string& text, beit::Index scale, Colour colour) {
    for (const TextBox& b : text_boxes(text)) {
      fill(x + b.y * scale, y - (b.x + b.width) * scale, b.height * scale, b.width * scale, colour);
    }
  }

  beit::Index height() const { return height_; }
  beit::Index width() const { return width_; }
  std::span<const std::uint8_t> pixels() const { return pixels_; }

 private:
  beit::Index height_, width_;
  std::vector<std::uint8_t> pixels_;  // (height, width, 3)
};

}  // namespace programs
