// Names what a picture shows. Usage: hello MODEL IMAGE, or hello alone in a clone of beit, for the demo model
#include <exception>
#include <iostream>
#include <vector>

#include <beit/beit.hpp>

int main(int argc, char** argv) {
  if (argc != 1 && argc != 3) {
    std::cerr << "hello: wanted MODEL IMAGE, or neither for the demo model\n";
    return 2;
  }
  try {
    const auto model = beit::load<float>(argc == 3 ? argv[1] : "examples/data/beit_fashion_mnist.safetensors");
    const auto image = beit::read_image(argc == 3 ? argv[2] : "examples/data/fashion_mnist/bag.png");
    for (const auto& [index, label, score] : beit::classify(model, image, 5)) {
      std::cout << 100 * score << " % " << label << '\n';
    }
    const std::vector<float> features = beit::embed(model, image);  // one row for a classifier or a search of your own
    std::cout << features.size() << " features\n";
  } catch (const std::exception& error) {
    std::cerr << "hello: " << error.what() << '\n';
    return 1;
  }
}
