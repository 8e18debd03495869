// Shows results as a self-contained page of images.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>
#include <beit/image/resize.hpp>

#include "../markup.hpp"
#include "../output.hpp"
#include "../paths.hpp"
#include "../picture_file.hpp"

namespace programs {

struct Found {
  std::string path;
  std::string label;  // empty if unknown
  float score;
};
struct Results {
  std::string query;         // empty for a group of duplicates
  std::vector<Found> found;  // the nearest first
  std::size_t images = 0;    // in a group of duplicates, of which `found` may be the first ones
  std::string unlike_demo;   // in what the query differs from the images that the demo model learned from
};

/// The characters that separate the parts of a path.
#if defined(_WIN32)
inline constexpr std::string_view separators = "/\\";
#else
inline constexpr std::string_view separators = "/";
#endif

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

/// Makes an <img> that contains its image. It is shown with sides of at most 160 pixels and has up to 800, for a closer
/// look. Throws beit::Error if the image can't be read.
inline std::string image_tag(const std::string& path, const beit::DecodeOptions& options) {
  constexpr beit::Index shown = 160, most = 800;
  const beit::Image image = beit::read_image(path_of(path), options);
  const beit::Index longest = std::max(image.height(), image.width());
  const bool small = longest <= shown;  // kept as it is and enlarged by a whole factor
  const auto scaled = [longest](beit::Index length, beit::Index to) {
    return std::max<beit::Index>(1, length * to / longest);
  };
  const beit::Index kept = std::min(longest, most);
  const beit::Size size{scaled(image.height(), kept), scaled(image.width(), kept)};
  beit::Image large(size.height, size.width);
  beit::resize_window(image, size, {0, size.height}, {0, size.width}, beit::Interpolation::lanczos, large.bytes());
  const std::span<const std::uint8_t> pixels = large.bytes();
  const beit::Index side = small ? shown / longest * longest : shown;
  std::ostringstream tag;
  tag << "<img" << (small ? " class=\"small\"" : "") << " width=\"" << scaled(image.width(), side) << "\" height=\""
      << scaled(image.height(), side) << "\" alt=\"\" src=\"data:image/" << (small ? "png" : "jpeg") << ";base64,"
      << base64(small ? encode_png(pixels, size.height, size.width) : encode_jpeg(pixels, size.height, size.width))
      << "\">";
  return tag.str();
}

/// The innermost folder that contains all of these images, with its final slash, or "" if there is none.
inline std::string common_folder(const std::vector<Results>& results) {
  std::optional<std::string> common;
  for (const Results& result : results) {
    for (const Found& found : result.found) {
      if (!common) common = found.path;
      common->resize(static_cast<std::size_t>(std::ranges::mismatch(*common, found.path).in1 - common->begin()));
      common->resize(common->find_last_of(separators) + 1);
    }
  }
  return common.value_or("");
}

/// Makes a picture that a click enlarges, or a note if the image can't be read. The caption below it is markup.
inline std::string figure(const std::string& kind, const std::string& path, const std::string& caption,
                          const beit::DecodeOptions& options) {
  const std::string name = escape_markup(path);
  std::string picture;
  try {
    picture = "<button type=\"button\" title=\"" + name + "\" aria-label=\"Enlarge " + name + "\">" +
              image_tag(path, options) + "</button>";
  } catch (const beit::Error&) {
    picture = "<div class=\"none\" title=\"" + name + "\">no longer readable</div>";
  }
  return "<figure" + kind + ">" + picture + "<figcaption>" + caption + "</figcaption></figure>\n";
}

/// The style sheet, which belongs in the <head>.
inline constexpr std::string_view page_style = R"(<style>
body { font: 16px/1.4 system-ui, sans-serif; margin: 2em; color: #222831; background: #fff }
h1 { font-size: 1.3em }
h2 { font-size: 1.1em; overflow-wrap: anywhere }
.row { display: flex; flex-wrap: wrap; gap: 16px; margin-bottom: 2.5em }
figure { margin: 0; width: 168px }
.query { border-right: 3px solid #106296; padding-right: 16px }
img { display: block }
.small { image-rendering: pixelated }
figure button { display: block; padding: 0; border: 0; background: none; cursor: zoom-in }
button:focus-visible { outline: 3px solid #106296; outline-offset: 2px }
.none { width: 160px; height: 100px; background: #eee; text-align: center; line-height: 100px; font-size: 14px }
figcaption { overflow-wrap: anywhere; font-size: 14px; margin-top: 4px }
figcaption b, figcaption span { display: block }
dialog { box-sizing: border-box; width: 96vw; max-width: none; height: 96vh; max-height: none; border: 0; padding: 1em }
dialog[open] { display: flex; flex-direction: column; gap: 0.5em }
dialog::backdrop { background: #000b }
dialog img { flex: 1; min-height: 0; object-fit: contain }
dialog p { margin: 0; text-align: center; overflow-wrap: anywhere }
dialog form { text-align: center }
dialog form button { font: inherit; padding: 0.2em 1.5em }
</style>
)";

/// The dialog that shows a picture enlarged, which belongs at the end of the <body>. The left and right arrow keys go
/// to the previous and the next picture.
inline constexpr std::string_view page_dialog = R"(<dialog aria-label="Enlarged picture">
<img alt="">
<p></p>
<form method="dialog"><button>Close</button></form>
</dialog>
<script>
const dialog = document.querySelector('dialog');
const pictures = [...document.querySelectorAll('figure button')];
let shown = 0;
function show(which) {
  shown = (which + pictures.length) % pictures.length;
  const from = pictures[shown].querySelector('img'), to = dialog.querySelector('img');
  to.src = from.src;
  to.className = from.className;
  dialog.querySelector('p').textContent = pictures[shown].title;
  if (!dialog.open) dialog.showModal();
}
pictures.forEach((picture, which) => picture.addEventListener('click', () => show(which)));
dialog.addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => pictures[shown].focus());
dialog.addEventListener('keydown', event => {
  if (event.key === 'ArrowLeft') show(shown - 1);
  if (event.key === 'ArrowRight') show(shown + 1);
});
</script>
)";

/// Makes the page. `note` is a sentence below the title, or "".
inline std::string html_page(const std::string& title, const std::string& note, const std::vector<Results>& results,
                             const beit::DecodeOptions& options) {
  const std::string common = common_folder(results);
  const auto name = [&common](const std::string& path) {
    return escape_markup(path.starts_with(common) ? path.substr(common.size()) : path);
  };
  std::ostringstream page;
  page << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
       << "<meta name=\"generator\" content=\"beit-search\">\n<title>beit-search</title>\n"
       << "<meta name=\"viewport\" content=\"width=device-width\">\n"
       << page_style << "</head>\n<body>\n<h1>" << escape_markup(title) << "</h1>\n";
  if (!note.empty()) page << "<p>" << escape_markup(note) << "</p>\n";
  if (!common.empty()) page << "<p>Found in " << escape_markup(common) << "</p>\n";
  for (const auto& [query, found, images, unlike_demo] : results) {
    const std::string shown = found.size() < images ? ", of which " + std::to_string(found.size()) + " are shown" : "";
    page << "<h2>" << (query.empty() ? counted(static_cast<std::int64_t>(images), "image") + shown : name(query))
         << "</h2>\n<div class=\"row\">\n";
    if (!query.empty()) page << figure(" class=\"query\"", query, "query", options);
    for (const auto& [path, label, score] : found) {
      std::ostringstream caption;
      if (!label.empty()) caption << "<b>" << escape_markup(label) << "</b>";
      caption << name(path) << "<span>" << std::fixed << std::setprecision(4) << score << "</span>";
      page << figure("", path, caption.str(), options);
    }
    page << "</div>\n";
  }
  page << page_dialog << "</body>\n</html>\n";
  return page.str();
}

}  // namespace programs
