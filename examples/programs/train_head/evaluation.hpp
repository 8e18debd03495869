// Reports how good a classifier is, as text and as a picture of the confusion matrix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <map>
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

/// Images of one class that were taken for another.
struct Mistake {
  std::size_t truth, predicted;
  beit::Index count;
};

/// Counts of images by true and predicted class. Only counts above 0 are stored: there may be very many classes.
class Confusion {
 public:
  Confusion(std::span<const beit::Index> truth, std::span<const beit::Index> predicted, std::size_t classes)
      : of_class_(classes), taken_for_(classes) {
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const auto is = static_cast<std::size_t>(truth[i]), seems = static_cast<std::size_t>(predicted[i]);
      ++counts_[{is, seems}];
      ++of_class_[is];
      ++taken_for_[seems];
      right_ += is == seems;
      ++total_;
    }
  }

  beit::Index count(std::size_t truth, std::size_t predicted) const {
    const auto found = counts_.find({truth, predicted});
    return found == counts_.end() ? 0 : found->second;
  }
  beit::Index of_class(std::size_t truth) const { return of_class_[truth]; }
  beit::Index taken_for(std::size_t predicted) const { return taken_for_[predicted]; }
  beit::Index right() const { return right_; }
  beit::Index total() const { return total_; }

  /// The most frequent mistakes, at most `most`.
  std::vector<Mistake> worst(std::size_t most) const {
    std::vector<Mistake> mistakes;
    for (const auto& [classes, count] : counts_) {
      if (classes.first != classes.second) mistakes.push_back({classes.first, classes.second, count});
    }
    std::stable_sort(mistakes.begin(), mistakes.end(),
                     [](const Mistake& a, const Mistake& b) { return a.count > b.count; });
    mistakes.resize(std::min(mistakes.size(), most));
    return mistakes;
  }

 private:
  std::map<std::pair<std::size_t, std::size_t>, beit::Index> counts_;  // truth, predicted
  std::vector<beit::Index> of_class_, taken_for_;                      // (K,)
  beit::Index right_ = 0, total_ = 0;
};

inline std::string percent(beit::Index part, beit::Index whole) {
  if (whole == 0) return "-";
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << 100.0 * static_cast<double>(part) / static_cast<double>(whole) << " %";
  return text.str();
}

/// "90.53 % (9053 of 10000)"
inline std::string accuracy_text(beit::Index right, beit::Index total) {
  return percent(right, total) + " (" + std::to_string(right) + " of " + std::to_string(total) + ")";
}

/// How many mistakes are listed, in words and in the picture.
inline constexpr std::size_t listed_mistakes = 20;

/// "12 of 40 Shirt (30.00 %) taken for Coat"
inline std::string mistake_text(const Confusion& confusion, const Mistake& mistake, const std::string& truth,
                                const std::string& predicted) {
  const beit::Index all = confusion.of_class(mistake.truth);
  return std::to_string(mistake.count) + " of " + std::to_string(all) + " " + truth + " (" +
         percent(mistake.count, all) + ") taken for " + predicted;
}

/// Prints the precision and recall of each class and, for up to 20 classes, the confusion matrix; for more of them the
/// most frequent mistakes.
inline void print_classes(std::ostream& out, const Confusion& confusion, const std::vector<std::string>& labels) {
  const auto number = [](std::size_t n) { return static_cast<int>(n); };
  std::size_t width = 5;
  for (const std::string& label : labels) width = std::max(width, label.size());
  out << std::left << std::setw(number(width)) << "class" << std::right << "  images  precision    recall\n";
  for (std::size_t c = 0; c < labels.size(); ++c) {
    out << std::left << std::setw(number(width)) << one_line(labels[c]) << std::right << std::setw(8)
        << confusion.of_class(c) << std::setw(11) << percent(confusion.count(c, c), confusion.taken_for(c))
        << std::setw(10) << percent(confusion.count(c, c), confusion.of_class(c)) << '\n';
  }
  constexpr std::size_t most_columns = 20;
  if (labels.size() > most_columns) {
    const std::vector<Mistake> worst = confusion.worst(listed_mistakes);
    if (!worst.empty()) out << "\nmost frequent mistakes:\n";
    for (const Mistake& mistake : worst) {
      out << "  "
          << mistake_text(confusion, mistake, one_line(labels[mistake.truth]), one_line(labels[mistake.predicted]))
          << '\n';
    }
    return;
  }
  out << "\nrows: true class; columns, in the same order: predicted class\n";
  const int cell = number(std::to_string(confusion.total()).size()) + 1;
  for (std::size_t c = 0; c < labels.size(); ++c) {
    out << std::left << std::setw(number(width)) << one_line(labels[c]) << std::right << ' ';
    for (std::size_t p = 0; p < labels.size(); ++p) out << std::setw(cell) << confusion.count(c, p);
    out << '\n';
  }
}

/// Throws ArgumentError if there are too many classes for a picture.
inline void require_drawable(std::size_t classes) {
  constexpr std::size_t most = 3000;
  if (classes <= most) return;
  throw beit::ArgumentError("--confusion: found " + std::to_string(classes) + " classes, wanted at most " +
                            std::to_string(most) + " in a picture");
}

/// Draws the confusion matrix, with names for up to 150 classes and numbers for up to 40, and a list of the most
/// frequent mistakes beside it.
class ConfusionPicture {
 public:
  ConfusionPicture(const Confusion& confusion, const std::vector<std::string>& labels)
      : confusion_(confusion),
        labels_(labels),
        classes_(std::ssize(labels)),
        with_numbers_(classes_ <= 40),
        with_names_(classes_ <= 150),
        cell_(with_numbers_ ? 88
              : with_names_ ? 24
                            : std::max<beit::Index>(1, 3200 / classes_)),
        scale_(with_numbers_ ? 2 : 1) {
    beit::Index widest = 0;
    for (std::size_t c = 0; with_names_ && c < labels.size(); ++c) {
      names_.push_back(fitted(labels[c], scale_, 600));
      widest = std::max(widest, TextPicture::text_width(names_.back(), scale_));
    }
    left_ = title + widest + 2 * gap;
    for (const Mistake& mistake : confusion.worst(listed_mistakes)) {
      list_.push_back(mistake_text(confusion, mistake, fitted(labels[mistake.truth], 2, 600),
                                   fitted(labels[mistake.predicted], 2, 600)));
    }
  }

  /// The PNG file's bytes.
  std::string png() const {
    const beit::Index height = std::max(classes_ * cell_, TextPicture::text_width(down, 2));
    const beit::Index width = std::max(classes_ * cell_, TextPicture::text_width(across, 2));
    const beit::Index list_left = left_ + width + 3 * gap;
    beit::Index list_width = list_.empty() ? 0 : TextPicture::text_width(heading, 2);
    for (const std::string& line : list_) list_width = std::max(list_width, TextPicture::text_width(line, 2));
    const beit::Index list_height = (1 + std::ssize(list_)) * list_line;
    TextPicture picture(left_ + std::max(height, list_height) + 2 * gap,
                        list_left - gap + (list_.empty() ? 0 : list_width + 2 * gap), paper);
    for (std::size_t c = 0; c < labels_.size(); ++c) {
      for (std::size_t p = 0; p < labels_.size(); ++p) draw_cell(picture, c, p);
      if (with_names_) draw_name(picture, c);
    }
    picture.write(left_, 24, across, 2, ink);
    picture.write_upwards(24, left_ + TextPicture::text_width(down, 2), down, 2, ink);
    beit::Index y = left_;
    if (!list_.empty()) picture.write(list_left, y, heading, 2, ink);
    for (const std::string& line : list_) picture.write(list_left, y += list_line, line, 2, ink);
    return encode_png(picture.pixels(), picture.height(), picture.width());
  }

 private:
  static constexpr beit::Index title = 80, gap = 20, list_line = 48;
  static constexpr Colour ink{34, 40, 49}, paper{255, 255, 255}, frame{200, 205, 212};
  static constexpr const char *across = "predicted class", *down = "true class", *heading = "Most frequent mistakes";

  /// A text, cut so that it is at most `width` pixels wide.
  static std::string fitted(const std::string& text, beit::Index scale, beit::Index width) {
    std::string cut = text;
    for (std::size_t bytes = text.size(); bytes > 0 && TextPicture::text_width(cut, scale) > width;) {
      cut = shortened(text, --bytes);
    }
    return cut;
  }

  /// Draws a cell: the darker it is, the larger its share of its row.
  void draw_cell(TextPicture& picture, std::size_t c, std::size_t p) const {
    const beit::Index x = left_ + static_cast<beit::Index>(p) * cell_, y = left_ + static_cast<beit::Index>(c) * cell_;
    const beit::Index count = confusion_.count(c, p), all = confusion_.of_class(c);
    const double part = all == 0 ? 0 : static_cast<double>(count) / static_cast<double>(all);
    const auto shade = [part](double full) { return static_cast<std::uint8_t>(255 - part * (255 - full) + 0.5); };
    const Colour right{shade(16), shade(98), shade(150)}, wrong{shade(186), shade(80), shade(0)};
    const beit::Index border = with_numbers_ ? 2 : with_names_ ? 1 : 0;
    picture.fill(x, y, cell_, cell_, with_names_ ? frame : paper);
    picture.fill(x, y, cell_ - border, cell_ - border, c == p ? right : wrong);
    if (!with_numbers_ || count == 0) return;
    const std::string text = std::to_string(count);
    const beit::Index size = TextPicture::text_width(text, scale_) <= cell_ - 8 ? scale_ : 1;
    picture.write(x + (cell_ - TextPicture::text_width(text, size)) / 2,
                  y + (cell_ - TextPicture::capital_height * size) / 2, text, size, part > 0.75 ? paper : ink);
  }

  /// Writes a class's name at its row, and upwards at its column.
  void draw_name(TextPicture& picture, std::size_t c) const {
    const std::string& name = names_[c];
    const beit::Index at =
        left_ + static_cast<beit::Index>(c) * cell_ + (cell_ - TextPicture::capital_height * scale_) / 2;
    picture.write(left_ - gap - TextPicture::text_width(name, scale_), at, name, scale_, ink);
    picture.write_upwards(at, left_ - gap, name, scale_, ink);
  }

  const Confusion& confusion_;
  const std::vector<std::string>& labels_;
  beit::Index classes_;
  bool with_numbers_, with_names_;
  beit::Index cell_, scale_;
  beit::Index left_ = 0;            // the matrix's left and top edge
  std::vector<std::string> names_;  // (K,), or none
  std::vector<std::string> list_;   // the most frequent mistakes
};

}  // namespace programs
