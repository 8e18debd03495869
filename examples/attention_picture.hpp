// What of an image the model attends to, as a picture.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "attention_map.hpp"
#include "colour_map.hpp"
#include "text_picture.hpp"
#include "what_the_model_sees.hpp"

namespace programs {

/// The image, beside it the same in grey under the map's colours, and a legend at the right and below.
class AttentionPicture {
 public:
  static constexpr beit::Index margin = 12, legend_width = 132, line_height = 20;

  /// `caption`: lines below the images.
  AttentionPicture(const beit::Image& image, const std::vector<std::string>& caption)
      : image_(image),
        size_{image.height(), image.width()},
        picture_(height(image, caption), width(image, caption), white) {
    for (beit::Index i = 0; i < size_.area(); ++i) {
      const std::uint8_t* const p = image.data() + 3 * i;
      picture_.fill(margin + i % size_.width, margin + i / size_.width, 1, 1, {p[0], p[1], p[2]});
    }
    beit::Index y = 2 * margin + size_.height;
    for (const std::string& line : caption) {
      picture_.write(margin, y, line, 2, black);
      y += line_height;
    }
  }

  /// A map by its colour, and a bar with the numbers of the colours, as per cent.
  void draw(const PatchMap& map) {
    overlay([&](beit::Index y, beit::Index x) { return sequential_colour(map.share(map.at(y, x))); });
    const beit::Index x = legend_x(), bar_height = size_.height - 8;
    for (beit::Index y = 0; y < bar_height; ++y) {
      const double share = 1 - static_cast<double>(y) / static_cast<double>(bar_height - 1);
      picture_.fill(x, margin + 4 + y, 20, 1, sequential_colour(share));
    }
    constexpr beit::Index ticks = 5;
    for (beit::Index i = 0; i < ticks; ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(ticks - 1);
      const beit::Index y = margin + 4 + std::lround((1 - share) * static_cast<double>(bar_height - 1));
      picture_.fill(x + 20, y, 5, 1, black);
      picture_.write(x + 29, y - 7, percent(map.smallest() + share * (map.largest() - map.smallest())), 2, black);
    }
  }

  /// Three maps as red, green and blue; `shares` of the variance stand beside their colours.
  void draw(const std::array<PatchMap, 3>& maps, const std::vector<double>& shares) {
    overlay([&](beit::Index y, beit::Index x) {
      Colour colour;
      for (std::size_t c = 0; c < 3; ++c) {
        colour[c] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(maps[c].share(maps[c].at(y, x)), 0.0, 1.0)));
      }
      return colour;
    });
    beit::Index y = margin + 4;
    for (std::size_t c = 0; c < 3; ++c, y += 3 * line_height) {
      Colour colour{0, 0, 0};
      colour[c] = 255;
      picture_.fill(legend_x(), y, 20, 14, colour);
      picture_.write(legend_x() + 29, y, "PC " + std::to_string(c + 1), 2, black);
      picture_.write(legend_x() + 29, y + line_height, percent(shares[c]), 2, black);
    }
  }

  /// A frame around a patch, in both images.
  void frame(beit::Index row, beit::Index col, beit::Size grid) {
    const beit::Index top = row * size_.height / grid.height, bottom = (row + 1) * size_.height / grid.height;
    const beit::Index left = col * size_.width / grid.width, right = (col + 1) * size_.width / grid.width;
    for (const beit::Index x0 : {margin, overlay_x()}) {
      outline(x0 + left, margin + top, right - left, bottom - top, white);
      outline(x0 + left + 2, margin + top + 2, right - left - 4, bottom - top - 4, black);
    }
  }

  const TextPicture& picture() const { return picture_; }

  static std::string percent(double value) {
    char text[400];
    std::snprintf(text, sizeof text, "%.*f %%", value < 0.0995 ? 2 : 1, 100 * value);
    return text;
  }

 private:
  static constexpr Colour white{255, 255, 255}, black{0, 0, 0};

  static beit::Index height(const beit::Image& image, const std::vector<std::string>& caption) {
    return image.height() + 2 * margin + static_cast<beit::Index>(caption.size()) * line_height + margin / 2;
  }
  static beit::Index width(const beit::Image& image, const std::vector<std::string>& caption) {
    beit::Index width = 2 * image.width() + 3 * margin + legend_width;
    for (const std::string& line : caption) width = std::max(width, TextPicture::text_width(line, 2) + 2 * margin);
    return width;
  }
  beit::Index overlay_x() const { return 2 * margin + size_.width; }
  beit::Index legend_x() const { return 3 * margin + 2 * size_.width; }

  /// colour(y, x) over the grey image.
  template <typename ColourAt>
  void overlay(const ColourAt& colour) {
    for (beit::Index y = 0; y < size_.height; ++y) {
      for (beit::Index x = 0; x < size_.width; ++x) {
        const std::uint8_t* const pixel = image_.data() + 3 * (y * size_.width + x);
        picture_.fill(overlay_x() + x, margin + y, 1, 1, over_grey(colour(y, x), pixel));
      }
    }
  }

  void outline(beit::Index x, beit::Index y, beit::Index width, beit::Index height, Colour colour) {
    picture_.fill(x, y, width, 2, colour);
    picture_.fill(x, y + height - 2, width, 2, colour);
    picture_.fill(x, y, 2, height, colour);
    picture_.fill(x + width - 2, y, 2, height, colour);
  }

  beit::Image image_;
  beit::Size size_;  // of the image
  TextPicture picture_;
};

}  // namespace programs
