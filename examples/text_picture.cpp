#include "text_picture.hpp"

#include <cstddef>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#include <stb_easy_font.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace programs {

std::vector<TextBox> text_boxes(const std::string& text) {
  std::string ascii = text;
  for (char& c : ascii) c = c < 0x20 || c > 0x7E ? '?' : c;
  struct Vertex {
    float x, y, z;
    std::uint8_t colour[4];
  };
  std::vector<Vertex> vertices(ascii.size() * 4 * 40);
  const int quads = stb_easy_font_print(0, 0, ascii.data(), nullptr, vertices.data(),
                                        static_cast<int>(vertices.size() * sizeof(Vertex)));
  std::vector<TextBox> boxes;
  for (int i = 0; i < quads; ++i) {
    const Vertex &from = vertices[static_cast<std::size_t>(4 * i)], &to = vertices[static_cast<std::size_t>(4 * i + 2)];
    const auto round = [](float value) { return static_cast<beit::Index>(value + 0.5f); };
    boxes.push_back({round(from.x), round(from.y), round(to.x - from.x), round(to.y - from.y)});
  }
  return boxes;
}

}  // namespace programs
