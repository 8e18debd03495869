#include "text_picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "lettering.hpp"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#define STB_TRUETYPE_IMPLEMENTATION
#define STBTT_STATIC
#include <stb_truetype.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace programs {

namespace {

stbtt_fontinfo open_font() {
  stbtt_fontinfo font;
  if (stbtt_InitFont(&font, reinterpret_cast<const unsigned char*>(lettering().data()), 0) == 0) {
    throw std::logic_error("the embedded font can't be read");
  }
  return font;
}

/// Reads the code point at `at` and moves `at` behind it. Returns '?' for bytes that aren't UTF-8.
char32_t next_code_point(const std::string& text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  char32_t code = first & (0x3Fu >> more);
  for (std::size_t i = 0; i < more; ++i, ++at) {
    if (at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) return U'?';
    code = code << 6 | (static_cast<unsigned char>(text[at]) & 0x3F);
  }
  return more == 0 ? U'?' : code;
}

}  // namespace

TextMask text_mask(const std::string& text, beit::Index capital_height) {
  static const stbtt_fontinfo font = open_font();
  int ascent = 0, descent = 0, gap = 0, capital = 0;
  stbtt_GetFontVMetrics(&font, &ascent, &descent, &gap);
  stbtt_GetCodepointBox(&font, 'H', nullptr, nullptr, nullptr, &capital);
  const float scale = static_cast<float>(capital_height) / static_cast<float>(capital);
  const auto base = static_cast<int>(std::ceil(static_cast<float>(ascent) * scale));  // rows above the baseline

  std::vector<int> glyphs;
  float width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const int glyph = stbtt_FindGlyphIndex(&font, static_cast<int>(next_code_point(text, at)));
    glyphs.push_back(glyph != 0 ? glyph : stbtt_FindGlyphIndex(&font, '?'));
    int advance = 0;
    stbtt_GetGlyphHMetrics(&font, glyphs.back(), &advance, nullptr);
    width += static_cast<float>(advance) * scale;
  }
  TextMask mask{base - static_cast<int>(std::floor(static_cast<float>(descent) * scale)),
                static_cast<beit::Index>(std::ceil(width)),
                base - capital_height,
                {}};
  mask.coverage.resize(static_cast<std::size_t>(mask.height * mask.width));

  float x = 0;
  for (const int glyph : glyphs) {
    const float whole = std::floor(x);
    int left = 0, top = 0, right = 0, bottom = 0;
    stbtt_GetGlyphBitmapBoxSubpixel(&font, glyph, scale, scale, x - whole, 0, &left, &top, &right, &bottom);
    std::vector<std::uint8_t> drawn(static_cast<std::size_t>((right - left) * (bottom - top)));
    if (!drawn.empty()) {
      stbtt_MakeGlyphBitmapSubpixel(&font, drawn.data(), right - left, bottom - top, right - left, scale, scale,
                                    x - whole, 0, glyph);
    }
    for (int row = 0; row < bottom - top; ++row) {
      for (int col = 0; col < right - left; ++col) {
        const beit::Index to_row = base + top + row, to_col = static_cast<beit::Index>(whole) + left + col;
        if (to_row < 0 || to_col < 0 || to_row >= mask.height || to_col >= mask.width) continue;
        std::uint8_t& to = mask.coverage[static_cast<std::size_t>(to_row * mask.width + to_col)];
        to = std::max(to, drawn[static_cast<std::size_t>(row * (right - left) + col)]);
      }
    }
    int advance = 0;
    stbtt_GetGlyphHMetrics(&font, glyph, &advance, nullptr);
    x += static_cast<float>(advance) * scale;
  }
  return mask;
}

}  // namespace programs
