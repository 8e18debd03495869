// A user's program: app MODEL IMAGE prints the most probable class.
#include <exception>
#include <iostream>

#include <beit/beit.hpp>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const auto model = beit::load<float>(argv[1]);
    const auto image = beit::read_image(argv[2]);
    const auto best = beit::classify(model, image, 1).front();
    std::cout << "class " << best.index << ", score " << best.score << '\n';
  } catch (const beit::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
