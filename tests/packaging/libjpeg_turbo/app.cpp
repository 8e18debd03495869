// A user's program: app IMAGE decodes an image, a JPEG by libjpeg-turbo, and prints its size, if its format is read.
#include <iostream>

#include <beit/image/decode.hpp>
#include <beit/image/formats.hpp>

static_assert(BEIT_USE_LIBJPEG_TURBO == 1);

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (!beit::is_image_name(argv[1])) {
    std::cout << "not read\n";
    return 0;
  }
  const beit::Image image = beit::read_image(argv[1]);
  std::cout << image.height() << " x " << image.width() << '\n';
}
