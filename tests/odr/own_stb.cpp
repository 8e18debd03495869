// A program's stb_image, compiled as its documentation says, in a unit that also includes beit.
#include <beit/beit.hpp>

#define STB_IMAGE_IMPLEMENTATION
#if __has_include(<stb_image.h>)
#include <stb_image.h>
#else
#include <stb/stb_image.h>
#endif

#include "own_stb.hpp"

beit::Image decode_by_own_stb(const char* path) {
  int width = 0, height = 0, channels = 0;
  stbi_uc* pixels = stbi_load(path, &width, &height, &channels, 3);
  if (pixels == nullptr) throw beit::ImageError(stbi_failure_reason());
  beit::Image image(height, width);
  std::copy_n(pixels, std::ptrdiff_t{3} * height * width, image.data());
  stbi_image_free(pixels);
  return image;
}

beit::Matrix doubled(beit::Matrix x) {
  x.map() *= 2;
  return x;
}
