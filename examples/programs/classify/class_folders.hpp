// Says which of a model's classes each folder of a labelled data set stands for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>

#include "../output.hpp"

namespace programs {

/// Compares names as timm orders the folders of classes: without regard to the case of letters, and digits by the
/// number that they are, so that "9" comes before "10".
inline bool natural_less(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return '0' <= c && c <= '9'; };
  const auto lower = [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  // Takes the digits, or the text before the next digit, from the front.
  const auto take = [&](std::string_view& text, bool digits) {
    const auto end = std::find_if(text.begin(), text.end(), [&](char c) { return is_digit(c) != digits; });
    std::string part(text.begin(), end);
    text.remove_prefix(part.size());
    if (digits) part.erase(0, std::min(part.find_first_not_of('0'), part.size()));
    std::transform(part.begin(), part.end(), part.begin(), lower);
    return part;
  };
  std::string_view rest_a = a, rest_b = b;
  for (bool digits = false; !rest_a.empty() || !rest_b.empty(); digits = !digits) {
    if (digits && (rest_a.empty() || rest_b.empty())) return rest_a.empty() && !rest_b.empty();
    const std::string part_a = take(rest_a, digits), part_b = take(rest_b, digits);
    if (digits && part_a.size() != part_b.size()) return part_a.size() < part_b.size();
    if (part_a != part_b) return part_a < part_b;
  }
  return a < b;
}

/// The class of each folder, and how it was found.
struct ClassFolders {
  std::vector<beit::Index> classes;  // (folders,), each from 0 to K - 1
  bool by_name = false;
};

/// A label as a folder may be called: "t-shirt_top" for "T-shirt/top".
inline std::string folded(std::string label) {
  for (char& c : label) c = c == '/' || c == ' ' ? '_' : 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return label;
}

/// Matches folders with the classes of a model, by their labels: each folder is called as a label, but for the case of
/// letters and for "_" in place of a space or a slash, which no folder's name can have. If no folder is called as a
/// label and there is a folder for each class, the folders stand for the classes in the order of natural_less. Throws
/// std::runtime_error, which begins with `name`, if neither holds.
inline ClassFolders match_folders(const std::string& name, const std::vector<std::string>& folders,
                                  const std::vector<std::string>& labels, beit::Index classes) {
  std::multimap<std::string, beit::Index> of_label;
  for (std::size_t c = 0; c < labels.size(); ++c) of_label.emplace(folded(labels[c]), static_cast<beit::Index>(c));
  ClassFolders result;
  std::string unknown;
  std::int64_t unknown_count = 0;
  for (const std::string& folder : folders) {
    const auto found = of_label.find(folded(folder));
    if (found == of_label.end()) {
      if (unknown_count++ == 0) unknown = folder;
      continue;
    }
    if (const std::size_t count = of_label.count(folded(folder)); count > 1) {
      throw std::runtime_error(name + ": found the folder '" + folder + "', which is the label of " +
                               std::to_string(count) + " classes of the model, wanted that of one");
    }
    result.classes.push_back(found->second);
  }
  result.by_name = !result.classes.empty();
  if (result.by_name) {
    if (unknown_count == 0) return result;
    throw std::runtime_error(name + ": found the folder '" + unknown + "'" +
                             (unknown_count > 1 ? " and " + std::to_string(unknown_count - 1) + " more" : "") +
                             ", wanted labels of the model, such as '" + labels.front() + "'");
  }
  if (std::ssize(folders) != classes) {
    throw std::runtime_error(
        name + ": found " + counted(std::ssize(folders), "subfolder") +
        (labels.empty() ? "" : ", of which none is called as a label of the model such as '" + labels.front() + "'") +
        ", wanted one for each of its " + std::to_string(classes) + " classes" + (labels.empty() ? "" : ", or labels"));
  }
  std::vector<std::size_t> order(folders.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return natural_less(folders[a], folders[b]); });
  result.classes.resize(folders.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    result.classes[order[place]] = static_cast<beit::Index>(place);
  }
  return result;
}

}  // namespace programs
