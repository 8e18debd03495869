// Draws what a model attends to in an image.
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

/// Shows the image, beside it the same image in grey under the map's colours, a legend at the right and a caption
/// below.
class AttentionPicture {
 public:
  static constexpr beit::Index margin = 24, line_height = 40;

  /// The legend at the right: a colour bar for one map, or three maps.
  enum class Legend { bar, components };

  /// Draws the image and the lines of the caption.
  AttentionPicture(const beit::Image& image, const std::vector<std::string>& caption, Legend legend)
      : image_(image),
        size_{image.height(), image.width()},
        picture_(height(size_, caption, legend), width(size_, caption, legend), white) {
    picture_.draw(margin, margin, image);
    beit::Index y = picture_.height() - margin / 2 - static_cast<beit::Index>(caption.size()) * line_height;
    for (const std::string& line : caption) {
      picture_.write(margin, y, line, 2, black);
      y += line_height;
    }
  }

  /// Draws a map in colours, and a bar with the values of the colours in per cent.
  void draw(const PatchMap& map) {
    overlay([&](beit::Index y, beit::Index x) { return sequential_colour(map.share(map.at(y, x))); });
    const beit::Index x = legend_x(), bar_height = height_of_bar(size_);
    for (beit::Index y = 0; y < bar_height; ++y) {
      const double share = 1 - static_cast<double>(y) / static_cast<double>(bar_height - 1);
      picture_.fill(x, margin + 8 + y, 40, 1, sequential_colour(share));
    }
    const beit::Index ticks = std::clamp<beit::Index>(1 + bar_height / 60, 2, 5);  // with room for one line per tick
    for (beit::Index i = 0; i < ticks; ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(ticks - 1);
      const beit::Index y = margin + 8 + std::lround((1 - share) * static_cast<double>(bar_height - 1));
      picture_.fill(x + 40, y - 1, 10, 2, black);
      picture_.write(x + 58, y - TextPicture::capital_height,
                     percent(map.smallest() + share * (map.largest() - map.smallest())), 2, black);
    }
  }

  /// Draws three maps as red, green and blue. At the right, each is shown on its own, for readers who see fewer hues,
  /// in a frame of its colour and with its share of the variance.
  void draw(const std::array<PatchMap, 3>& maps, const std::vector<double>& shares) {
    overlay([&](beit::Index y, beit::Index x) {
      Colour colour;
      for (std::size_t c = 0; c < 3; ++c) {
        colour[c] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(maps[c].share(maps[c].at(y, x)), 0.0, 1.0)));
      }
      return colour;
    });
    const beit::Index height = component_height(size_), width = component_width(size_), line = 6;
    beit::Index top = margin;
    for (std::size_t c = 0; c < 3; ++c, top += height + margin) {
      for (beit::Index y = 0; y < height; ++y) {
        for (beit::Index x = 0; x < width; ++x) {
          const double value = maps[c].at(y * size_.height / height, x * size_.width / width);
          picture_.fill(legend_x() + x, top + y, 1, 1, sequential_colour(maps[c].share(value)));
        }
      }
      Colour colour{0, 0, 0};
      colour[c] = 255;
      picture_.outline(legend_x(), top, width, height, line, colour);
      picture_.write(legend_x() + width + 16, top, "PC " + std::to_string(c + 1), 2, black);
      picture_.write(legend_x() + width + 16, top + line_height, percent(shares[c]), 2, black);
    }
  }

  /// Draws a frame around a patch, in both images.
  void frame(beit::Index row, beit::Index col, beit::Size grid) {
    const beit::Index top = row * size_.height / grid.height, bottom = (row + 1) * size_.height / grid.height;
    const beit::Index left = col * size_.width / grid.width, right = (col + 1) * size_.width / grid.width;
    for (const beit::Index x0 : {margin, overlay_x()}) {
      picture_.outline(x0 + left, margin + top, right - left, bottom - top, 4, white);
      picture_.outline(x0 + left + 4, margin + top + 4, right - left - 8, bottom - top - 8, 4, black);
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

  static beit::Index height(beit::Size image, const std::vector<std::string>& caption, Legend legend) {
    const beit::Index at_right =
        legend == Legend::bar ? height_of_bar(image) + 16 : 3 * component_height(image) + 2 * margin;
    return std::max(image.height, at_right) + 2 * margin + static_cast<beit::Index>(caption.size()) * line_height +
           margin / 2;
  }
  static beit::Index width(beit::Size image, const std::vector<std::string>& caption, Legend legend) {
    const beit::Index at_right = legend == Legend::bar ? 264 : component_width(image) + 180;
    beit::Index width = 2 * image.width + 3 * margin + at_right;
    for (const std::string& line : caption) width = std::max(width, TextPicture::text_width(line, 2) + 2 * margin);
    return width;
  }
  static beit::Index height_of_bar(beit::Size image) { return std::max(image.height - 16, 2 * line_height); }
  /// The height of one component: three of them are as high as the image, but two lines of text must fit beside each.
  static beit::Index component_height(beit::Size image) {
    return std::max((image.height + margin) / 3 - margin, 2 * line_height);
  }
  static beit::Index component_width(beit::Size image) { return component_height(image) * image.width / image.height; }
  beit::Index overlay_x() const { return 2 * margin + size_.width; }
  beit::Index legend_x() const { return 3 * margin + 2 * size_.width; }

  /// Blends colour(y, x) over the grey image.
  template <typename ColourAt>
  void overlay(const ColourAt& colour) {
    for (beit::Index y = 0; y < size_.height; ++y) {
      for (beit::Index x = 0; x < size_.width; ++x) {
        const std::uint8_t* const pixel = image_.data() + 3 * (y * size_.width + x);
        picture_.fill(overlay_x() + x, margin + y, 1, 1, over_grey(colour(y, x), pixel));
      }
    }
  }

  beit::Image image_;
  beit::Size size_;  // the image's
  TextPicture picture_;
};

}  // namespace programs
