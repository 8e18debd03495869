// Compares Winograd's convolution with products of windows, in turns.
//
//   beit_conv_bench [THREADS [TURNS]]
//
// prints, for the convolutions of a segmentation model at 640 pixels and of DALL-E's encoder at 112, the least
// milliseconds of either, how many times faster Winograd's is, and the multiplications per second that a direct
// convolution would need for the same time (beit_peak prints the machine's limit).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include <beit/nn/conv2d.hpp>

#include "../tests/random_weights.hpp"

namespace {

using beit::Index;

const beit_test::RandomWeights numbers(1);

struct Shape {
  Index side, inputs, outputs;
  bool small_images;
};
constexpr Shape shapes[] = {{160, 3072, 768, false}, {160, 768, 768, false}, {160, 768, 384, false},
                            {80, 768, 768, false},   {40, 768, 768, false},  {20, 3840, 768, false},
                            {112, 256, 64, true},    {56, 128, 128, true},   {28, 256, 256, true},
                            {14, 512, 512, true}};

/// Products of windows, gathered band by band, as a direct convolution computes them.
template <typename Weight>
class Direct {
 public:
  explicit Direct(const Shape& shape)
      : inputs_(shape.inputs),
        product_(beit::default_kernels(), numbers.root().scope("c"), "weight", {shape.outputs, 9 * shape.inputs},
                 numbers.root().scope("c").get("bias", {shape.outputs})) {}

  void forward(const beit::Matrix& x, Index side, beit::Workspace& workspace, beit::Matrix& out) const {
    const Index step = std::clamp<Index>((Index{1} << 20) / (9 * inputs_) / side, 1, side);
    for (Index begin = 0; begin < side; begin += step) {
      const Index lines = std::min(step, side - begin);
      beit::Workspace::Frame frame(workspace);
      const beit::Activations windows = product_.input(frame, 1, lines * side);
      const Index slot_size = windows.layout->row_tile * windows.columns;
      float* const scratch = frame.floats(workspace.executor().size() * slot_size);
      workspace.executor().for_each(windows.tiles(), [&](Index t, Index slot) {
        const beit::Activations::RowTile tile = windows.tile(t);
        float* to = scratch + slot * slot_size;
        for (Index i = tile.row; i < tile.row + tile.rows; ++i) {
          for (Index tap = 0; tap < 9; ++tap, to += inputs_) {
            const Index y = begin + i / side + tap / 3 - 1, column = i % side + tap % 3 - 1;
            if (y < 0 || y >= side || column < 0 || column >= side) {
              std::fill_n(to, inputs_, 0.0f);
            } else {
              std::copy_n(x.row(y * side + column), inputs_, to);
            }
          }
        }
        windows.write(tile, scratch + slot * slot_size, windows.columns);
      });
      product_.forward(windows, workspace, out.map().middleRows(begin * side, lines * side));
    }
  }

 private:
  Index inputs_;
  beit::Linear<Weight> product_;
};

template <typename Function>
double seconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename Weight>
void compare(const char* name, const Shape& shape, int threads, int turns) {
  beit::ThreadPool pool(threads);
  beit::Workspace workspace(pool);
  const beit::Size size{shape.side, shape.side};
  const beit::Matrix x = beit_test::numbers(numbers, "x", size.area(), shape.inputs);
  beit::Matrix out(size.area(), shape.outputs);
  const Direct<Weight> direct(shape);
  const beit::Conv2d<Weight> winograd(beit::default_kernels(), numbers.root().scope("c"),
                                      {.outputs = shape.outputs,
                                       .inputs = shape.inputs,
                                       .kernel = 3,
                                       .padding = 1,
                                       .small_images = shape.small_images});
  double by_windows = std::numeric_limits<double>::infinity(), by_tiles = by_windows;
  for (int turn = 0; turn < turns; ++turn) {
    by_windows = std::min(by_windows, seconds([&] { direct.forward(x, shape.side, workspace, out); }));
    by_tiles = std::min(by_tiles, seconds([&] { winograd.forward({x, size}, workspace, {out, size}); }));
  }
  const double operations = 2e-9 * 9 * static_cast<double>(size.area() * shape.inputs * shape.outputs);
  std::printf("%-10s %3dx%-3d %4d -> %3d: direct %8.1f ms, Winograd %8.1f ms, %.2f times, %.0f and %.0f Gflop/s\n",
              name, static_cast<int>(shape.side), static_cast<int>(shape.side), static_cast<int>(shape.inputs),
              static_cast<int>(shape.outputs), 1e3 * by_windows, 1e3 * by_tiles, by_windows / by_tiles,
              operations / by_windows, operations / by_tiles);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1, turns = argc > 2 ? std::atoi(argv[2]) : 5;
  if (argc > 3 || threads < 1 || turns < 1) {
    std::fprintf(stderr, "usage: beit_conv_bench [THREADS [TURNS]]\n");
    return 2;
  }
  for (const Shape& shape : shapes) {
    compare<float>("float", shape, threads, turns);
    compare<beit::FloatFast>("float-fast", shape, threads, turns);
  }
  return 0;
}
