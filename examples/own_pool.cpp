// Runs the model on your own thread pool, here OpenMP's. Usage: own_pool MODEL IMAGE
#include <exception>
#include <iostream>

#include <omp.h>

#include <beit/beit.hpp>

/// A pool needs only these two: its number of threads, and a call that returns when all tasks have finished.
struct OpenMpPool {
  int size() const { return omp_get_max_threads(); }

  template <typename Task>
  void parallel_for(beit::Index count, const Task& task) {
#pragma omp parallel for schedule(dynamic)
    for (beit::Index i = 0; i < count; ++i) task(i);
  }
};

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "own_pool: wanted MODEL IMAGE\n";
    return 2;
  }
  try {
    OpenMpPool pool;
    const auto model = beit::load<float>(argv[1], {.executor = pool});
    beit::Workspace workspace(pool);
    const auto image = beit::read_image(argv[2]);
    for (const auto& [index, label, score] : beit::classify(model, image, 5, workspace)) {
      std::cout << 100 * score << " % " << label << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "own_pool: " << error.what() << '\n';
    return 1;
  }
}
