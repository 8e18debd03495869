// Results as a page of thumbnails that needs no other file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iomanip>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>

#include "../markup.hpp"
#include "../paths.hpp"
#include "../png.hpp"

namespace programs {

struct Found {
  std::string path;
  float score;
};
struct Results {
  std::string query;
  std::vector<Found> found;  // the nearest first
};

inline std::string base64(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t j) {
      return j < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[j])) : 0u;
    };
    const std::uint32_t word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (int j = 0; j < 4; ++j) {
      result += i + static_cast<std::size_t>(j) > bytes.size() ? '=' : digits[word >> (18 - 6 * j) & 63];
    }
  }
  return result;
}

/// An <img> of at most 160 pixels a side, or a note where the image can't be read.
inline std::string thumbnail(const std::string& path, const beit::DecodeOptions& options) {
  constexpr beit::Index side = 160;
  try {
    const beit::Image image = beit::read_image(path_of(path), options);
    const beit::Index longest = std::max(image.height(), image.width());
    // Small images are enlarged in whole steps, so that they can be seen.
    const auto sized = [&](beit::Index length) {
      return longest > side ? std::max<beit::Index>(1, length * side / longest) : length;
    };
    const beit::Size size{sized(image.height()), sized(image.width())};
    beit::Image small(size.height, size.width);
    beit::resize_window(image, size, {0, size.height}, {0, size.width}, beit::Interpolation::lanczos, small.data());
    const beit::Index shown = std::max<beit::Index>(1, side / std::max(size.height, size.width));
    const std::string png =
        encode_png({small.data(), static_cast<std::size_t>(size.area() * 3)}, size.height, size.width);
    std::ostringstream tag;
    tag << "<img width=\"" << size.width * shown << "\" height=\"" << size.height * shown
        << "\" alt=\"\" src=\"data:image/png;base64," << base64(png) << "\">";
    return tag.str();
  } catch (const std::exception&) {
    return "<div class=\"none\">no longer readable</div>";
  }
}

inline std::string html_page(const std::vector<Results>& results, const beit::DecodeOptions& options) {
  std::ostringstream page;
  page << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>beit-search</title>\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
          "body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222831; background: #fff }\n"
          "h2 { font-size: 1em; overflow-wrap: anywhere }\n"
          ".row { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 2.5em }\n"
          "figure { margin: 0; width: 168px }\n"
          ".query { border-right: 3px solid #106296; padding-right: 12px }\n"
          "img { image-rendering: pixelated; display: block }\n"
          ".none { width: 160px; height: 100px; background: #eee; text-align: center; line-height: 100px }\n"
          "figcaption { overflow-wrap: anywhere; font-size: 12px }\n"
          "</style>\n</head>\n<body>\n";
  page << std::fixed << std::setprecision(4);
  for (const auto& [query, found] : results) {
    page << "<h2>" << escape_markup(query) << "</h2>\n<div class=\"row\">\n<figure class=\"query\">"
         << thumbnail(query, options) << "<figcaption>query</figcaption></figure>\n";
    for (const auto& [path, score] : found) {
      page << "<figure>" << thumbnail(path, options) << "<figcaption>" << score << " " << escape_markup(path)
           << "</figcaption></figure>\n";
    }
    page << "</div>\n";
  }
  page << "</body>\n</html>\n";
  return page.str();
}

}  // namespace programs
