// Classifies images batch by batch, in memory that is allocated once. Usage: batch_loop MODEL IMAGE...
#include <algorithm>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <beit/beit.hpp>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "batch_loop: wanted MODEL IMAGE...\n";
    return 2;
  }
  try {
    const auto model = beit::load<float>(argv[1]);
    const beit::Config& config = model.config();
    constexpr beit::Index batch = 8;
    beit::Workspace workspace;  // one per thread that calls the model
    beit::Matrix x(batch, 3 * config.image_size.area()), logits(batch, model.num_outputs());

    const std::vector<std::string> paths(argv + 2, argv + argc);
    for (std::size_t first = 0; first < paths.size(); first += batch) {
      const beit::Index count = std::min<beit::Index>(batch, static_cast<beit::Index>(paths.size() - first));
      for (beit::Index i = 0; i < count; ++i) {
        // Decoding a file allocates memory; frames from a camera could go to preprocess as they are.
        const beit::Image image = beit::read_image(paths[first + static_cast<std::size_t>(i)]);
        beit::preprocess(config.preprocessing, std::span(&image, 1), workspace, x.map().middleRows(i, 1));
      }
      // This allocates nothing after the first batch.
      model.forward(x.map().topRows(count), workspace, logits.map().topRows(count));
      for (beit::Index i = 0; i < count; ++i) {
        const float* const row = logits.row(i);
        const auto best = std::max_element(row, row + logits.cols()) - row;
        std::cout << paths[first + static_cast<std::size_t>(i)] << ": " << beit::label_of(config.labels, best) << '\n';
      }
    }
  } catch (const std::exception& error) {
    std::cerr << "batch_loop: " << error.what() << '\n';
    return 1;
  }
}
