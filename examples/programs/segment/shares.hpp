// Counts what a label map shows.
#pragma once

#include <algorithm>
#include <vector>

#include <beit/beit.hpp>
#include <beit/model/segment.hpp>

namespace programs {

/// A class that a label map shows.
struct ClassShare {
  beit::Index index = 0;  // of the class
  double share = 0;       // of the pixels, in [0, 1]
};

/// The classes that have a pixel, the largest first; the lower index first among equals.
inline std::vector<ClassShare> shares_of(const beit::LabelMap& map, beit::Index num_classes) {
  std::vector<beit::Index> pixels(static_cast<std::size_t>(num_classes));
  for (const auto label : map.values) ++pixels[label];
  std::vector<ClassShare> shares;
  for (beit::Index i = 0; i < num_classes; ++i) {
    const beit::Index count = pixels[static_cast<std::size_t>(i)];
    if (count > 0) shares.push_back({i, static_cast<double>(count) / static_cast<double>(map.size.area())});
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const ClassShare& a, const ClassShare& b) { return a.share > b.share; });
  return shares;
}

}  // namespace programs
