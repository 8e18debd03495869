// Expands braces in names as bash and WebDataset do, for shells that don't: shards-{000000..000099}.tar.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../paths.hpp"

namespace programs {

/// The most names that braces may stand for.
inline constexpr std::size_t most_names = 1'000'000;

namespace braces {

[[noreturn]] inline void fail_too_many() {
  throw beit::ArgumentError("found braces that stand for more than " + std::to_string(most_names) +
                            " names, wanted fewer: use --list");
}

inline std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr std::int64_t limit = std::int64_t{1} << 60;  // so that nothing overflows
  if (error != std::errc() || end != text.data() + text.size() || number > limit || number < -limit)
    return std::nullopt;
  return number;
}

/// The numbers of "000..099", "9..0" or "0..98..2", with leading zeros if one of the first two has them. Nothing for
/// any other text.
inline std::optional<std::vector<std::string>> range(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == text.npos) return std::nullopt;
  const std::string_view first_text = text.substr(0, dots);
  std::string_view last_text = text.substr(dots + 2);
  std::optional<std::int64_t> step = 1;
  if (const std::size_t more = last_text.find(".."); more != last_text.npos) {
    step = whole_number(last_text.substr(more + 2));
    last_text = last_text.substr(0, more);
  }
  const std::optional<std::int64_t> first = whole_number(first_text), last = whole_number(last_text);
  if (!first || !last || !step) return std::nullopt;
  const auto digits = [](std::string_view number) { return number.substr(number.starts_with('-') ? 1 : 0); };
  const auto has_zeros = [&](std::string_view number) {
    return digits(number).size() > 1 && digits(number).starts_with('0');
  };
  const std::size_t width =
      has_zeros(first_text) || has_zeros(last_text) ? std::max(first_text.size(), last_text.size()) : 0;
  const std::int64_t by = std::max<std::int64_t>(1, *step < 0 ? -*step : *step) * (*last < *first ? -1 : 1);
  if ((*last - *first) / by >= static_cast<std::int64_t>(most_names)) fail_too_many();
  std::vector<std::string> numbers;
  for (std::int64_t number = *first; by > 0 ? number <= *last : number >= *last; number += by) {
    std::string shown = std::to_string(number);
    if (shown.size() < width) shown.insert(number < 0 ? 1 : 0, width - shown.size(), '0');
    numbers.push_back(shown);
  }
  return numbers;
}

/// All names that the text stands for, in order.
inline std::vector<std::string> expand(std::string_view text) {
  for (std::size_t open = 0; (open = text.find('{', open)) != text.npos; ++open) {
    std::vector<std::string_view> parts;  // of a list, divided by commas
    std::size_t close = open + 1, begin = open + 1;
    int depth = 1;
    for (; close < text.size(); ++close) {
      depth += text[close] == '{' ? 1 : text[close] == '}' ? -1 : 0;
      const bool ends = depth == 0;
      if (ends || (depth == 1 && text[close] == ',')) {
        parts.push_back(text.substr(begin, close - begin));
        begin = close + 1;
      }
      if (ends) break;
    }
    if (depth != 0) continue;
    std::vector<std::string> middles;
    if (parts.size() > 1) {
      for (const std::string_view part : parts) {
        for (std::string& middle : expand(part)) middles.push_back(std::move(middle));
      }
    } else if (std::optional<std::vector<std::string>> numbers = range(parts.front())) {
      middles = *std::move(numbers);
    } else {
      continue;  // this brace is a character like any other
    }
    const std::vector<std::string> ends = expand(text.substr(close + 1));
    if (middles.size() > most_names / ends.size()) fail_too_many();
    std::vector<std::string> names;
    for (const std::string& middle : middles) {
      for (const std::string& end : ends) names.push_back(std::string(text.substr(0, open)) + middle + end);
    }
    return names;
  }
  return {std::string(text)};
}

}  // namespace braces

/// Replaces names with braces by those for which they stand. A file that has the braces in its name stays. Throws
/// beit::ArgumentError for more than `most_names`.
inline std::vector<std::string> expand_braces(const std::vector<std::string>& names) {
  std::vector<std::string> expanded;
  for (const std::string& name : names) {
    std::error_code ignored;
    if (name.find('{') == name.npos || std::filesystem::exists(path_of(name), ignored)) {
      expanded.push_back(name);
      continue;
    }
    for (std::string& one : braces::expand(name)) expanded.push_back(std::move(one));
  }
  return expanded;
}

}  // namespace programs
