// Reports how good a classifier is, as text and as a picture of the confusion matrix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../output.hpp"
#include "../picture_file.hpp"
#include "../text_picture.hpp"

namespace programs {

/// Counts of images by true and predicted class.
class Confusion {
 public:
  Confusion(std::span<const beit::Index> truth, std::span<const beit::Index> predicted, std::size_t classes)
      : classes_(classes), counts_(classes * classes) {
    for (std::size_t i = 0; i < truth.size(); ++i) {
      ++counts_[static_cast<std::size_t>(truth[i]) * classes + static_cast<std::size_t>(predicted[i])];
    }
  }

  std::size_t classes() const { return classes_; }
  beit::Index count(std::size_t truth, std::size_t predicted) const { return counts_[truth * classes_ + predicted]; }
  beit::Index of_class(std::size_t truth) const { return sum(truth, true); }
  beit::Index taken_for(std::size_t predicted) const { return sum(predicted, false); }
  beit::Index right() const {
    beit::Index total = 0;
    for (std::size_t c = 0; c < classes_; ++c) total += count(c, c);
    return total;
  }
  beit::Index total() const {
    beit::Index total = 0;
    for (const beit::Index n : counts_) total += n;
    return total;
  }

 private:
  beit::Index sum(std::size_t line, bool row) const {
    beit::Index total = 0;
    for (std::size_t c = 0; c < classes_; ++c) total += row ? count(line, c) : count(c, line);
    return total;
  }

  std::size_t classes_;
  std::vector<beit::Index> counts_;  // (K, K): truth, predicted
};

inline std::string percent(beit::Index part, beit::Index whole) {
  if (whole == 0) return "-";
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << 100.0 * static_cast<double>(part) / static_cast<double>(whole) << " %";
  return text.str();
}

/// Prints the accuracy, the precision and recall of each class and, for up to 20 classes, the confusion matrix.
inline void print_evaluation(std::ostream& out, const Confusion& confusion, const std::vector<std::string>& labels) {
  const auto number = [](std::size_t n) { return static_cast<int>(n); };
  out << "accuracy " << percent(confusion.right(), confusion.total()) << " (" << confusion.right() << " of "
      << confusion.total() << ")\n\n";
  std::size_t width = 5;
  for (const std::string& label : labels) width = std::max(width, label.size());
  out << std::left << std::setw(number(width)) << "class" << std::right << "  images  precision    recall\n";
  for (std::size_t c = 0; c < labels.size(); ++c) {
    out << std::left << std::setw(number(width)) << one_line(labels[c]) << std::right << std::setw(8)
        << confusion.of_class(c) << std::setw(11) << percent(confusion.count(c, c), confusion.taken_for(c))
        << std::setw(10) << percent(confusion.count(c, c), confusion.of_class(c)) << '\n';
  }
  constexpr std::size_t most_columns = 20;
  if (labels.size() > most_columns) return;
  out << "\nrows: true class; columns, in the same order: predicted class\n";
  const int cell = number(std::to_string(confusion.total()).size()) + 1;
  for (std::size_t c = 0; c < labels.size(); ++c) {
    out << std::left << std::setw(number(width)) << one_line(labels[c]) << std::right << ' ';
    for (std::size_t p = 0; p < labels.size(); ++p) out << std::setw(cell) << confusion.count(c, p);
    out << '\n';
  }
}

/// Draws the confusion matrix as a PNG file's bytes. The darker a cell, the larger its share of its row. For at most
/// 1,000 classes.
inline std::string confusion_png(const Confusion& confusion, const std::vector<std::string>& labels) {
  const auto classes = static_cast<beit::Index>(labels.size());
  const bool with_text = classes <= 40;
  const beit::Index cell = with_text ? 88 : std::max<beit::Index>(1, 3200 / classes);
  constexpr beit::Index scale = 2, gap = 20;
  constexpr Colour ink{34, 40, 49}, paper{255, 255, 255}, frame{200, 205, 212};
  beit::Index widest = 0;
  if (with_text) {
    for (const std::string& label : labels) widest = std::max(widest, TextPicture::text_width(label, scale));
  }
  widest = std::min<beit::Index>(widest, 600);
  const beit::Index title = 80, left = title + widest + 2 * gap, top = left;
  const char *const across = "predicted class", *const down = "true class";
  const beit::Index height = std::max(classes * cell, TextPicture::text_width(down, scale));
  const beit::Index width = std::max(classes * cell, TextPicture::text_width(across, scale));
  TextPicture picture(top + height + 2 * gap, left + width + 2 * gap, paper);
  for (std::size_t c = 0; c < labels.size(); ++c) {
    const beit::Index y = top + static_cast<beit::Index>(c) * cell;
    for (std::size_t p = 0; p < labels.size(); ++p) {
      const beit::Index x = left + static_cast<beit::Index>(p) * cell;
      const double part = confusion.of_class(c) == 0
                              ? 0
                              : static_cast<double>(confusion.count(c, p)) / static_cast<double>(confusion.of_class(c));
      const auto shade = [part](double full) { return static_cast<std::uint8_t>(255 - part * (255 - full) + 0.5); };
      const Colour right{shade(16), shade(98), shade(150)}, wrong{shade(186), shade(80), shade(0)};
      picture.fill(x, y, cell, cell, with_text ? frame : paper);
      const beit::Index border = with_text ? 2 : 0;
      picture.fill(x, y, cell - border, cell - border, c == p ? right : wrong);
      if (!with_text || confusion.count(c, p) == 0) continue;
      const std::string text = std::to_string(confusion.count(c, p));
      const beit::Index size = TextPicture::text_width(text, scale) <= cell - 8 ? scale : 1;
      picture.write(x + (cell - TextPicture::text_width(text, size)) / 2,
                    y + (cell - TextPicture::capital_height * size) / 2, text, size, part > 0.75 ? paper : ink);
    }
    if (!with_text) continue;
    const beit::Index middle = static_cast<beit::Index>(c) * cell + (cell - TextPicture::capital_height * scale) / 2;
    const beit::Index indent = std::max<beit::Index>(0, widest - TextPicture::text_width(labels[c], scale));
    picture.write(left - gap - widest + indent, top + middle, labels[c], scale, ink);
    picture.write_upwards(left + middle, top - gap, labels[c], scale, ink);
  }
  picture.write(left, 24, across, scale, ink);
  picture.write_upwards(24, top + TextPicture::text_width(down, scale), down, scale, ink);
  return encode_png(picture.pixels(), picture.height(), picture.width());
}

}  // namespace programs
