// A plot of embeddings as an SVG picture.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>
#include <beit/io/text.hpp>

#include "colour_map.hpp"
#include "markup.hpp"
#include "pca.hpp"

namespace programs {
namespace detail {

inline std::string hex_text(Colour colour) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", colour[0], colour[1], colour[2]);
  return text;
}

/// With `digits` after the point, whatever the locale.
inline std::string fixed_text(double value, int digits) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  std::string text = buffer;
  std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

}  // namespace detail

/// The first two principal components of embeddings (n, C), a dot a row, coloured by its label; a legend names the
/// labels, sorted. One scale for both axes. ArgumentError unless there are as many labels as rows, at least one, of
/// finite numbers.
inline std::string embedding_plot(const beit::ConstRows& rows, std::span<const std::string> labels) {
  if (static_cast<beit::Index>(labels.size()) != rows.rows()) {
    throw beit::ArgumentError("plot: found " + std::to_string(labels.size()) + " labels, wanted one for each of " +
                              std::to_string(rows.rows()) + " rows");
  }
  const PrincipalComponents components = principal_components(rows, 2);
  const auto points = components.scores.array();  // (n, 2)

  std::map<std::string, beit::Index> order;
  for (const std::string& label : labels) order.emplace(label, 0);
  beit::Index classes = 0;
  for (auto& [label, which] : order) which = classes++;

  constexpr double side = 480, left = 40, top = 20, margin = 16, line = 18, legend_width = 220;
  constexpr beit::Index legend_lines = 27;  // as many as fit beside the plot
  const double low_x = points.col(0).minCoeff(), high_x = points.col(0).maxCoeff();
  const double low_y = points.col(1).minCoeff(), high_y = points.col(1).maxCoeff();
  const double extent = std::max({high_x - low_x, high_y - low_y, 1e-30});
  const double scale = (side - 2 * margin) / extent;
  const auto place = [&](double value, double low, double high) {
    return side / 2 + (value - (low + high) / 2) * scale;
  };

  using detail::fixed_text;
  const beit::Index columns = (classes + legend_lines - 1) / legend_lines;
  const double width = left + side + 10 + legend_width * static_cast<double>(columns), height = top + side + 40;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + fixed_text(width, 0) + "\" height=\"" +
                    fixed_text(height, 0) + "\" viewBox=\"0 0 " + fixed_text(width, 0) + " " + fixed_text(height, 0) +
                    "\" font-family=\"sans-serif\" font-size=\"13\">\n";
  svg += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  svg += "<rect x=\"40\" y=\"20\" width=\"480\" height=\"480\" fill=\"none\" stroke=\"#888888\"/>\n";
  const auto axis = [&](std::size_t i) {
    return "component " + std::to_string(i + 1) + " (" + fixed_text(100 * components.variance[i], 1) +
           " % of the variance)</text>\n";
  };
  svg += "<text x=\"280\" y=\"522\" text-anchor=\"middle\">" + axis(0);
  svg += "<text x=\"28\" y=\"260\" text-anchor=\"middle\" transform=\"rotate(-90 28 260)\">" + axis(1);

  // In the order of the rows: no class lies on top of all others.
  svg += "<g fill-opacity=\"0.75\">\n";
  for (beit::Index i = 0; i < rows.rows(); ++i) {
    const beit::Index which = order.at(labels[static_cast<std::size_t>(i)]);
    svg += "<circle cx=\"" + fixed_text(left + place(points(i, 0), low_x, high_x), 1) + "\" cy=\"" +
           fixed_text(top + side - place(points(i, 1), low_y, high_y), 1) + "\" r=\"3.5\" fill=\"" +
           detail::hex_text(class_colour(which, classes)) + "\"/>\n";
  }
  svg += "</g>\n";
  for (const auto& [label, which] : order) {
    const double x = left + side + 20 + legend_width * static_cast<double>(which / legend_lines);
    const double y = top + 8 + line * static_cast<double>(which % legend_lines);
    svg += "<circle cx=\"" + fixed_text(x, 0) + "\" cy=\"" + fixed_text(y, 0) + "\" r=\"5\" fill=\"" +
           detail::hex_text(class_colour(which, classes)) + "\"/><text x=\"" + fixed_text(x + 12, 0) + "\" y=\"" +
           fixed_text(y + 4, 0) + "\">" +
           (label.empty() ? "no label" : escape_markup(beit::detail::printable(label, 30))) + "</text>\n";
  }
  return svg + "</svg>\n";
}

}  // namespace programs
