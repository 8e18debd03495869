// Draws a photograph beside the same under the colours of a label map, with a legend.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include <beit/beit.hpp>
#include <beit/model/segment.hpp>

#include "../colour_map.hpp"
#include "../output.hpp"
#include "../text_picture.hpp"

namespace programs {

/// A line of the legend.
struct LegendLine {
  Colour colour;
  std::string name;
  double share;  // of the pixels, in [0, 1]
};

/// Shows an image, beside it the same image under the colours of its label map, and at the right the classes with their
/// shares of the pixels. Classes for which the image isn't high enough share the last line.
class SegmentationPicture {
 public:
  static constexpr beit::Index margin = 24, line_height = 40;

  /// `image` may have another size than the map, `palette` has a colour for each class, and `legend` the classes that
  /// are there, the largest first.
  SegmentationPicture(const beit::Image& image, const beit::LabelMap& map, const std::vector<Colour>& palette,
                      std::vector<LegendLine> legend)
      : legend_(fitted(std::move(legend), image.height())),
        picture_(std::max(image.height(), static_cast<beit::Index>(legend_.size()) * line_height) + 2 * margin,
                 2 * image.width() + 4 * margin + legend_width(), white) {
    picture_.draw(margin, margin, image);
    picture_.draw(2 * margin + image.width(), margin, overlaid(image, map, palette));
    const beit::Index left = 3 * margin + 2 * image.width(), right = picture_.width() - margin;
    beit::Index top = margin;
    for (const LegendLine& line : legend_) {
      const beit::Index text_top = top + (swatch - TextPicture::capital_height * 2) / 2;
      picture_.fill(left, top, swatch, swatch, line.colour);
      picture_.outline(left, top, swatch, swatch, 1, black);
      picture_.write(left + swatch + gap, text_top, line.name, 2, black);
      const std::string share = percent(line.share);
      picture_.write(right - TextPicture::text_width(share, 2), text_top, share, 2, black);
      top += line_height;
    }
  }

  const TextPicture& picture() const { return picture_; }

 private:
  static constexpr Colour white{255, 255, 255}, black{0, 0, 0};
  static constexpr beit::Index swatch = 30, gap = 14;
  static constexpr std::size_t longest_name = 32, fewest_lines = 4;

  static std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
    return text;
  }

  /// The lines that fit beside an image of this height; what is left over is one line more.
  static std::vector<LegendLine> fitted(std::vector<LegendLine> legend, beit::Index height) {
    const std::size_t room = std::max(fewest_lines, static_cast<std::size_t>(height / line_height));
    if (legend.size() > room) {
      LegendLine others{white, std::to_string(legend.size() - (room - 1)) + " others", 0};
      for (std::size_t i = room - 1; i < legend.size(); ++i) others.share += legend[i].share;
      legend.resize(room - 1);
      legend.push_back(others);
    }
    for (LegendLine& line : legend) line.name = shortened(one_line(line.name), longest_name);
    return legend;
  }

  beit::Index legend_width() const {
    beit::Index name = 0, share = 0;
    for (const LegendLine& line : legend_) {
      name = std::max(name, TextPicture::text_width(line.name, 2));
      share = std::max(share, TextPicture::text_width(percent(line.share), 2));
    }
    return swatch + gap + name + 2 * gap + share;
  }

  /// Blends the colours of the labels over an image; the outer pixels of each region are in the colour alone.
  static beit::Image overlaid(beit::Image image, const beit::LabelMap& map, const std::vector<Colour>& palette) {
    constexpr double share = 0.55;
    const auto label = [&](beit::Index y, beit::Index x) {
      const beit::Index row = y * map.size.height / image.height(), col = x * map.size.width / image.width();
      return map.values[static_cast<std::size_t>(row * map.size.width + col)];
    };
    for (beit::Index y = 0; y < image.height(); ++y) {
      for (beit::Index x = 0; x < image.width(); ++x) {
        const auto own = label(y, x);
        const bool is_edge =
            label(std::max<beit::Index>(y - 1, 0), x) != own || label(y, std::max<beit::Index>(x - 1, 0)) != own ||
            label(std::min(y + 1, image.height() - 1), x) != own || label(y, std::min(x + 1, image.width() - 1)) != own;
        std::uint8_t* const pixel = image.data() + 3 * (y * image.width() + x);
        const Colour colour = blend(palette[own], {pixel[0], pixel[1], pixel[2]}, is_edge ? 1 : share);
        std::copy(colour.begin(), colour.end(), pixel);
      }
    }
    return image;
  }

  std::vector<LegendLine> legend_;
  TextPicture picture_;
};

}  // namespace programs
