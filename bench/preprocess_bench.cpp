// From decoded pixels to the model's input, one thread: a snapshot, a 12-megapixel photograph, and an upscaling.
#include <benchmark/benchmark.h>

#include <beit/image/transform.hpp>
#include <vector>

namespace {

void Preprocess(benchmark::State& state) {
  const beit::Index height = state.range(0), width = state.range(1);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height * width * 3));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>((i * 2654435761u) >> 24);
  const beit::ImageView image{pixels.data(), height, width, 3, 3 * width};
  beit::Preprocessing preprocessing;
  preprocessing.input_size = {224, 224};
  std::vector<float> out(3 * 224 * 224);
  for (auto _ : state) {
    beit::preprocess(image, preprocessing, out.data());
    benchmark::ClobberMemory();
  }
  state.counters["pixels/s"] =
      benchmark::Counter(static_cast<double>(height * width), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(Preprocess)
    ->ArgNames({"height", "width"})
    ->Args({427, 640})
    ->Args({3000, 4000})
    ->Args({100, 150})
    ->Unit(benchmark::kMillisecond);

}  // namespace
