// Tests the plot of embeddings: its dots, its legend, and text that must not break it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "embed/plot_output.hpp"
#include "plot.hpp"

namespace beit_test::plot_test {

using beit::Index;
using beit::Matrix;
using testing::HasSubstr;

struct Dot {
  double x, y;
  std::string shape, colour;
};

/// The dots of the plot whose place matches a regular expression.
std::vector<Dot> found_at(const std::string& svg, const std::string& place) {
  const std::regex path("<path " + place + "(m[^\"]+)\" fill=\"(#[0-9a-f]{6})\"/>");
  std::vector<Dot> found;
  for (std::sregex_iterator at(svg.begin(), svg.end(), path), end; at != end; ++at) {
    found.push_back({std::stod((*at)[1]), std::stod((*at)[2]), (*at)[3], (*at)[4]});
  }
  return found;
}

std::vector<Dot> dots(const std::string& svg) { return found_at(svg, "d=\"M([0-9.]+) ([0-9.]+)"); }
std::vector<Dot> legend_of(const std::string& svg) {
  return found_at(svg, R"re(transform="translate\(([0-9.]+) ([0-9.]+)\) scale\(1.5\)" d="M0 0)re");
}

/// Corners of a rectangle of 8 x 4 in three dimensions.
Matrix corners() {
  Matrix rows(4, 3);
  rows.map() << 0, 1, 4, 8, 1, 4, 0, 1, 0, 8, 1, 0;
  return rows;
}

TEST(EmbeddingPlot, DotsLieAlongTheComponents) {
  const std::vector<std::string> labels{"boot", "bag", "boot", "bag"};
  const std::string svg = programs::embedding_plot(corners(), labels);
  EXPECT_EQ(svg, programs::embedding_plot(corners(), labels));
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("component 1 (80.0 % of the variance)"));
  EXPECT_THAT(svg, HasSubstr("component 2 (20.0 % of the variance)"));

  const std::vector<Dot> shown = dots(svg), legend = legend_of(svg);
  ASSERT_EQ(shown.size(), 4u);
  ASSERT_EQ(legend.size(), 2u);
  // Both axes have one scale, and all dots are inside the frame.
  EXPECT_NEAR(std::abs(shown[0].x - shown[1].x), 448, 0.2);
  EXPECT_NEAR(std::abs(shown[0].y - shown[2].y), 224, 0.2);
  EXPECT_NEAR(shown[0].y, shown[1].y, 0.2);
  for (const Dot& dot : shown) {
    EXPECT_TRUE(dot.x > 40 && dot.x < 520 && dot.y > 20 && dot.y < 500) << dot.x << ", " << dot.y;
  }
  // The legend is sorted, so that bags come first.
  EXPECT_NE(legend[0].colour, legend[1].colour);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(shown[i].colour, legend[i % 2 == 0 ? 1 : 0].colour);
    EXPECT_EQ(shown[i].shape, legend[i % 2 == 0 ? 1 : 0].shape);
  }
  EXPECT_THAT(svg, HasSubstr(">bag</text>"));
  EXPECT_THAT(svg, HasSubstr(">boot</text>"));
  EXPECT_LT(svg.find(">bag"), svg.find(">boot"));
}

TEST(EmbeddingPlot, LabelsAreText) {
  const std::vector<std::string> labels{"<b> & \"c\"\n", "caf\xE9", "caf\xC3\xA9", ""};
  const std::string svg = programs::embedding_plot(corners(), labels);
  EXPECT_THAT(svg, HasSubstr(">&lt;b&gt; &amp; &quot;c&quot;?</text>"));
  EXPECT_THAT(svg, HasSubstr(">caf\xEF\xBF\xBD</text>"));
  EXPECT_THAT(svg, HasSubstr(">caf\xC3\xA9</text>"));
  EXPECT_THAT(svg, HasSubstr(">no label</text>"));
  const std::string long_label = programs::embedding_plot(corners(), std::vector<std::string>(4, std::string(99, 'x')));
  EXPECT_THAT(long_label, HasSubstr(">" + std::string(30, 'x') + "...</text>"));
  const std::vector<std::string> umlauts(4,
                                         std::string(29, 'x') + "\xc3\xa4\xc3\xb6");  // one is cut in two at 30 bytes
  EXPECT_THAT(programs::embedding_plot(corners(), umlauts), HasSubstr(">" + std::string(29, 'x') + "...</text>"));
}

/// The relative luminance of an sRGB colour by WCAG 2.
double relative_luminance(programs::Colour colour) {
  const auto linear = [](std::uint8_t value) {
    const double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

TEST(EmbeddingPlot, TenClassesDifferWithoutTheirHues) {
  Matrix rows(10, 2);
  std::vector<std::string> labels;
  for (Index i = 0; i < 10; ++i) {
    rows(i, 0) = rows(i, 1) = static_cast<float>(i);
    labels.push_back(std::to_string(i));
  }
  const std::vector<Dot> legend = legend_of(programs::embedding_plot(rows, labels));
  ASSERT_EQ(legend.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (legend[i].shape != legend[j].shape) continue;
      const double a = relative_luminance(programs::class_colour(static_cast<Index>(i), 10));
      const double b = relative_luminance(programs::class_colour(static_cast<Index>(j), 10));
      EXPECT_GT(std::max(a, b) / std::min(a, b), 1.5) << i << ", " << j;
    }
  }
}

TEST(EmbeddingPlot, IsTwiceAsLargeAsItsUnits) {
  EXPECT_THAT(programs::embedding_plot(corners(), std::vector<std::string>(4, "a")),
              HasSubstr("width=\"1500\" height=\"1080\" viewBox=\"0 0 750 540\""));
}

/// The plot of a row for each label, none in the place of another.
std::string plot_of(const std::vector<std::string>& labels) {
  Matrix rows(std::ssize(labels), 2);
  for (Index i = 0; i < rows.rows(); ++i) {
    rows(i, 0) = static_cast<float>(i);
    rows(i, 1) = static_cast<float>(i * i % 7);
  }
  return programs::embedding_plot(rows, labels);
}

TEST(EmbeddingPlot, ManyClasses) {
  std::vector<std::string> labels;
  for (int i = 0; i < 60; ++i) labels.push_back("class " + std::to_string(i));
  const std::string svg = plot_of(labels);
  const std::vector<Dot> legend = legend_of(svg);
  ASSERT_EQ(legend.size(), 60u);
  std::set<std::pair<double, double>> places;
  std::set<std::string> colours;
  for (const Dot& dot : legend) {
    places.emplace(dot.x, dot.y);
    colours.insert(dot.colour);
    EXPECT_LT(dot.y, 520);
  }
  EXPECT_EQ(places.size(), 60u);
  EXPECT_EQ(colours.size(), 60u);
}

TEST(EmbeddingPlot, LongLabelsHaveWiderColumns) {
  const auto legend_with = [](const std::string& label) {
    std::vector<std::string> labels;
    for (int i = 0; i < 60; ++i) labels.push_back(std::to_string(100 + i) + (i == 3 ? label : ""));
    return plot_of(labels);
  };
  // A label of the first column moves the other columns and the right edge. An em, 13 units, is the widest letter's.
  const std::vector<Dot> plain = legend_of(legend_with("")), wide = legend_of(legend_with(std::string(27, 'W')));
  EXPECT_EQ(wide[0].x, plain[0].x);
  EXPECT_GE(wide[27].x - wide[0].x, 14 + 27 * 13);
  EXPECT_EQ(wide[54].x - wide[27].x, plain[54].x - plain[27].x);
  EXPECT_THAT(legend_with(""), HasSubstr("viewBox=\"0 0 1190 540\""));
  EXPECT_THAT(legend_with("\xE6\x97\xA5\xE6\x9C\xAC"), HasSubstr("viewBox=\"0 0 1190 540\""));
}

TEST(EmbeddingPlot, OneRowAndRowsAllTheSame) {
  Matrix rows(3, 2);
  rows.map().setConstant(0.3f);
  const std::vector<std::string> labels{"a", "b", "c"};
  for (const Dot& dot : dots(programs::embedding_plot(rows, labels))) {
    EXPECT_EQ(dot.x, 280);
    EXPECT_EQ(dot.y, 260);
  }
  EXPECT_EQ(dots(programs::embedding_plot(rows.map().topRows(1), std::vector<std::string>{"a"})).size(), 1u);
}

TEST(EmbeddingPlot, WrongArgumentsAreErrors) {
  EXPECT_THROW(programs::embedding_plot(corners(), std::vector<std::string>{"a"}), beit::ArgumentError);
  EXPECT_THROW(programs::embedding_plot(Matrix(0, 3), std::vector<std::string>{}), beit::ArgumentError);
}

TEST(RowSample, IsEvenlySpread) {
  programs::RowSample sample(2);
  for (int count = 1; count <= 20'001; ++count) {
    const float row[2] = {static_cast<float>(count - 1), 1};
    sample.add([&] { return std::to_string(count - 1); }, row);
    if (count != 1 && count != 4000 && count != 4001 && count != 8001 && count != 20'001) continue;
    const Index step = count <= 4000 ? 1 : count <= 8000 ? 2 : count <= 16'000 ? 4 : 8;
    ASSERT_EQ(sample.rows().rows(), (count - 1) / step + 1) << count;
    ASSERT_EQ(static_cast<Index>(sample.labels().size()), sample.rows().rows());
    for (Index i = 0; i < sample.rows().rows(); ++i) {
      ASSERT_EQ(sample.rows()(i, 0), static_cast<float>(i * step)) << count;
      ASSERT_EQ(sample.labels()[static_cast<std::size_t>(i)], std::to_string(i * step));
    }
  }
}

TEST(Colours, GrowLighter) {
  double before = -1;
  for (int i = 0; i <= 100; ++i) {
    const programs::Colour colour = programs::sequential_colour(i / 100.0);
    const double luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
    EXPECT_GT(luminance, before) << i;
    before = luminance;
  }
  EXPECT_EQ(programs::sequential_colour(-1), programs::sequential_colour(0));
  EXPECT_EQ(programs::sequential_colour(2), programs::sequential_colour(1));
  EXPECT_EQ(programs::oklch_colour(1, 0, 0), (programs::Colour{255, 255, 255}));
  EXPECT_EQ(programs::oklch_colour(0, 0, 0), (programs::Colour{0, 0, 0}));
  const programs::Colour red = programs::oklch_colour(0.62796, 0.25768, 29.234);  // sRGB's red
  EXPECT_NEAR(red[0], 255, 1);
  EXPECT_NEAR(red[1], 0, 2);
  EXPECT_NEAR(red[2], 0, 2);
}

}  // namespace beit_test::plot_test
