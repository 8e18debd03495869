// Plots embeddings as an SVG picture.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>

#include "colour_map.hpp"
#include "markup.hpp"
#include "output.hpp"
#include "pca.hpp"

namespace programs {
namespace detail {

inline std::string hex_text(Colour colour) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", colour[0], colour[1], colour[2]);
  return text;
}

/// Formats a number with `digits` after the decimal point, whatever the locale.
inline std::string fixed_text(double value, int digits) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  std::string text = buffer;
  std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

/// The outline of a class's dot, relative to its centre. Shapes tell classes apart for readers who see few hues. Their
/// number is odd, so that neighbouring classes of one shape differ in lightness (class_colour).
inline std::string_view dot_outline(beit::Index which) {
  static constexpr std::array<std::string_view, 5> outlines{
      "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",                  // circle
      "m-3.1-3.1h6.2v6.2h-6.2z",                                       // square
      "m0-4.6l4 7h-8z",                                                // triangle
      "m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",                             // diamond
      "m-1.3-4.2h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z"};  // plus
  return outlines[static_cast<std::size_t>(which) % outlines.size()];
}

/// The layout, in units of the viewBox.
inline constexpr double plot_side = 480, plot_left = 40, plot_top = 20, plot_margin = 16;
inline constexpr double legend_line = 18;
inline constexpr beit::Index legend_lines = 27;  // the number that fits beside the plot

/// At least the width of a text in sans-serif letters of 13 units, whichever font the viewer has: that of DejaVu Sans,
/// one of the widest, rounded up, and a square for each letter of other scripts.
inline double legend_text_width(const std::string& text) {
  double width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      width += byte >= 0xC0 ? 13 : 0;  // the first byte of a letter, and the others
    } else if (std::string_view("mwMW@%+=<>~#^&").find(c) != std::string_view::npos) {
      width += 13;
    } else if (std::string_view("fijlrtI.,:;'|!()[]/- ").find(c) != std::string_view::npos) {
      width += 0.45 * 13;
    } else {
      width += ('A' <= c && c <= 'Z' ? 0.8 : 0.65) * 13;
    }
  }
  return width;
}

/// The text of the legend for a label.
inline std::string legend_text(const std::string& label) {
  return label.empty() ? "no label" : one_line(shortened(label, 30));
}

/// The left edge of each column of the legend, and the right edge of the last one.
inline std::vector<double> legend_columns(const std::map<std::string, beit::Index>& classes) {
  constexpr double narrowest = 220;
  std::vector<double> edges{plot_left + plot_side + 20};
  double widest = narrowest;
  for (const auto& [label, which] : classes) {
    if (which > 0 && which % legend_lines == 0) {
      edges.push_back(edges.back() + widest);
      widest = narrowest;
    }
    widest = std::max(widest, std::ceil(14 + legend_text_width(legend_text(label)) + 20));
  }
  edges.push_back(edges.back() + widest);
  return edges;
}

/// The opening tag of a picture of this width. It is twice as large as its units, for screens with two pixels per
/// point.
inline std::string plot_opening(double width) {
  const double height = plot_top + plot_side + 40;
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + fixed_text(2 * width, 0) + "\" height=\"" +
         fixed_text(2 * height, 0) + "\" viewBox=\"0 0 " + fixed_text(width, 0) + " " + fixed_text(height, 0) +
         "\" font-family=\"sans-serif\" font-size=\"13\">\n<!-- beit-embed -->\n<rect width=\"100%\" height=\"100%\" "
         "fill=\"#ffffff\"/>\n";
}

inline std::string plot_axes(const std::vector<double>& variance) {
  const auto name = [&](std::size_t i) {
    return "component " + std::to_string(i + 1) + " (" + fixed_text(100 * variance[i], 1) +
           " % of the variance)</text>\n";
  };
  return "<rect x=\"40\" y=\"20\" width=\"480\" height=\"480\" fill=\"none\" stroke=\"#888888\"/>\n"
         "<text x=\"280\" y=\"522\" text-anchor=\"middle\">" +
         name(0) + "<text x=\"28\" y=\"260\" text-anchor=\"middle\" transform=\"rotate(-90 28 260)\">" + name(1);
}

/// Draws `points` (n, 2), each of the class `which` of `classes`, in the order of the rows, so that no class lies on
/// top of all others.
inline std::string plot_dots(const Eigen::MatrixXd& points, std::span<const beit::Index> which, beit::Index classes) {
  const Eigen::RowVectorXd low = points.colwise().minCoeff(), high = points.colwise().maxCoeff();
  const double scale = (plot_side - 2 * plot_margin) / std::max((high - low).maxCoeff(), 1e-30);
  const auto place = [&](beit::Index i, beit::Index axis) {
    return plot_side / 2 + (points(i, axis) - (low(axis) + high(axis)) / 2) * scale;
  };
  std::string dots = "<g fill-opacity=\"0.75\">\n";
  for (beit::Index i = 0; i < points.rows(); ++i) {
    const beit::Index of = which[static_cast<std::size_t>(i)];
    dots.append("<path d=\"M").append(fixed_text(plot_left + place(i, 0), 1));
    dots.append(" ").append(fixed_text(plot_top + plot_side - place(i, 1), 1)).append(dot_outline(of));
    dots.append("\" fill=\"").append(hex_text(class_colour(of, classes))).append("\"/>\n");
  }
  return dots + "</g>\n";
}

/// The line of the legend for class `which`, in its column.
inline std::string plot_legend(const std::string& label, beit::Index which, beit::Index classes,
                               const std::vector<double>& columns) {
  const double x = columns[static_cast<std::size_t>(which / legend_lines)];
  const double y = plot_top + 8 + legend_line * static_cast<double>(which % legend_lines);
  std::string line =
      "<path transform=\"translate(" + fixed_text(x, 0) + " " + fixed_text(y, 0) + ") scale(1.5)\" d=\"M0 0";
  line.append(dot_outline(which)).append("\" fill=\"").append(hex_text(class_colour(which, classes)));
  line.append("\"/><text x=\"")
      .append(fixed_text(x + 14, 0))
      .append("\" y=\"")
      .append(fixed_text(y + 4, 0))
      .append("\">");
  return line + escape_markup(legend_text(label)) + "</text>\n";
}

}  // namespace detail

/// Plots the first two principal components of embeddings (n, C) on one scale, with one dot per row in the colour and
/// shape of its label. A legend lists the labels in sorted order. Throws ArgumentError if there are no rows, if the
/// number of labels is another one, or if a number isn't finite.
inline std::string embedding_plot(const beit::ConstRows& rows, std::span<const std::string> labels) {
  if (static_cast<beit::Index>(labels.size()) != rows.rows()) {
    throw beit::ArgumentError("plot: found " + std::to_string(labels.size()) + " labels, wanted one for each of " +
                              std::to_string(rows.rows()) + " rows");
  }
  const PrincipalComponents components = principal_components(rows, 2);
  std::map<std::string, beit::Index> order;
  for (const std::string& label : labels) order.emplace(label, 0);
  beit::Index classes = 0;
  for (auto& [label, which] : order) which = classes++;
  std::vector<beit::Index> of_row;
  for (const std::string& label : labels) of_row.push_back(order.at(label));

  const std::vector<double> columns = detail::legend_columns(order);
  std::string svg = detail::plot_opening(columns.back() - 10) + detail::plot_axes(components.variance) +
                    detail::plot_dots(components.scores, of_row, classes);
  for (const auto& [label, which] : order) svg += detail::plot_legend(label, which, classes, columns);
  return svg + "</svg>\n";
}

}  // namespace programs
