// Times the way from decoded pixels to the model's input, on one thread: a snapshot, a 12-megapixel photograph, an
// image that is enlarged, and two of 12 megapixels of which the tall one is resized down first.
#include <benchmark/benchmark.h>

#include <beit/image/transform.hpp>
#include <string>
#include <vector>

namespace {

std::vector<std::uint8_t> noise(beit::Index count) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>((i * 2654435761u) >> 24);
  return bytes;
}

void Preprocess(benchmark::State& state) {
  const beit::Index height = state.range(0), width = state.range(1);
  const std::vector<std::uint8_t> pixels = noise(height * width * 3);
  const beit::ImageView image{pixels.data(), height, width, 3, 3 * width};
  beit::Preprocessing preprocessing;
  preprocessing.input_size = {224, 224};
  std::vector<float> out(3 * 224 * 224);
  for (auto _ : state) {
    beit::preprocess(preprocessing, image, out);
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
    ->Args({2000, 6000})
    ->Args({6000, 2000})
    ->Unit(benchmark::kMillisecond);

// Times the resize alone: Pillow's Image.resize((330, 248), BICUBIC).crop(...) of a 12-megapixel photograph.
void Resize(benchmark::State& state) {
  const auto isa = static_cast<beit::Isa>(state.range(0));
  if (!beit::has_isa(isa) || !beit::permit_isa(isa)) return state.SkipWithError("not on this processor");
  state.SetLabel(std::string(beit::isa_name(isa)));
  const beit::Index height = 3000, width = 4000;
  const std::vector<std::uint8_t> pixels = noise(height * width * 3);
  const beit::ImageView image{pixels.data(), height, width, 3};
  std::vector<std::uint8_t> out(224 * 224 * 3);
  for (auto _ : state) {
    beit::resize_window(image, {248, 330}, {12, 224}, {53, 224}, beit::Interpolation::bicubic, out,
                        beit::kernels::kernels_of(isa));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(Resize)->DenseRange(0, std::size(beit::levels) - 1)->Unit(benchmark::kMillisecond);

}  // namespace
