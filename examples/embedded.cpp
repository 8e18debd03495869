// Classifies an image with a model that is part of the program. Usage: embedded IMAGE
//   add_executable(embedded embedded.cpp)
//   target_link_libraries(embedded PRIVATE beit::beit)
//   beit_embed_model(embedded path/to/model.safetensors NAME model)
#include <exception>
#include <iostream>

#include <beit/beit.hpp>

#include "model.hpp"  // made by beit_embed_model

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "embedded: wanted IMAGE\n";
    return 2;
  }
  try {
    const auto model = beit::load<float>(beit::MemoryFiles{embedded::model(), "the embedded model"});
    for (const auto& [index, label, score] : beit::classify(model, beit::read_image(argv[1]), 5)) {
      std::cout << 100 * score << " % " << label << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "embedded: " << error.what() << '\n';
    return 1;
  }
}
