#include <iostream>

#include <beit/beit.hpp>

int main() {
  const auto model = beit::load<float>("beit_base.safetensors");
  const auto image = beit::read_image("chelsea.png");
  for (const auto& [index, label, score] : beit::classify(model, image, 5)) {
    std::cout << 100 * score << " % " << label << '\n';
  }
  const std::vector<float> features = beit::embed(model, image);  // 768 numbers for your own classifier
}
