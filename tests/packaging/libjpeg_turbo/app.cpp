// A user's program: app IMAGE decodes an image, a JPEG by libjpeg-turbo, and prints its size.
#include <iostream>

#include <beit/image/decode.hpp>

static_assert(BEIT_USE_LIBJPEG_TURBO == 1);

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const beit::Image image = beit::read_image(argv[1]);
  std::cout << image.height() << " x " << image.width() << '\n';
}
