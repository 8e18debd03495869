// Convolution of maps of several sizes side by side, without enlarging any of them.
#pragma once

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/conv2d.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/input_channels.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/resize_bilinear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = relu(W * [x0, up(x1), up(x2), ...] + b), where * is a convolution with a 3x3 kernel and padding 1, and `up` the
/// bilinear resize to the size of x0: the end of mmsegmentation's UPerHead and of its pyramid pooling.
///
/// The convolution is a sum over maps and over the kernel's nine taps t. Both the resize and the product with the
/// weights W_t of a tap are linear, one across pixels and one across channels, so their order doesn't matter:
///
///   y(p) = relu(b + sum over t of W_t x0(p + t) + sum over i and t of up(W_t xi)(p + t)), zero beyond the edges
///
/// A map of a quarter of the pixels is then multiplied a quarter as often, and no enlarged map is ever in memory.
template <typename Weight>
class PyramidConv2d {
 public:
  /// Reads "weight" (outputs, sum of channels, 3, 3) and "bias" (outputs,), for maps with so many channels, x0 first.
  /// `kernels` must outlive it.
  PyramidConv2d(const Kernels& kernels, const WeightScope& weights, Index outputs, const std::vector<Index>& channels)
      : inputs_(std::accumulate(channels.begin(), channels.end(), Index{0})),
        base_(kernels, InputChannels(weights, inputs_, 0, channels[0]).root(weights.executor()),
              {.outputs = outputs, .inputs = channels[0], .kernel = side, .padding = side / 2}),
        products_(channels.size() - 1) {
    AlignedBuffer<float> w(std::min(block, outputs) * inputs_ * side * side);  // of some outputs
    for (Index first = 0; first < outputs; first += block) {
      const Index count = std::min(block, outputs - first);
      read_block(weights, first, count, w);
      Index channel = channels[0];
      for (std::size_t i = 0; i < products_.size(); ++i) {
        const Index depth = channels[i + 1];
        products_[i].emplace_back(kernels, weights.executor(), side * side * count, depth, AlignedBuffer<float>(),
                                  [&](Index row, Index rows, float* to) {
                                    for (Index j = row; j < row + rows; ++j, to += depth) {
                                      copy_tap(w, j % count, channel, depth, j / count, to);
                                    }
                                  });
        channel += depth;
      }
    }
  }

  /// The number of channels of y.
  Index outputs() const { return base_.outputs(); }

  /// out = y, of the size of x0. Line i of out may lie where line i - 1 of x0 did.
  void forward(std::span<const ConstFeatureMap> x, Workspace& workspace, FeatureMap out) const {
    base_.forward(x[0], workspace, out);
    Workspace::Frame frame(workspace);
    const std::span maps(frame.take<Small>(std::ssize(products_)), products_.size());
    Index line = 0;  // floats of one line of all maps' products
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const ConstFeatureMap& from = x[i + 1];
      maps[i] = {products_[i][0].input(frame, 1, from.size.area()), from.size, nullptr, line};
      write_rows(from.pixels, maps[i].x, workspace.executor());
      line += from.size.width * side * block;
    }
    float* const scratch = frame.floats(workspace.executor().size() * line);
    for (Index first = 0; first < outputs(); first += block) {
      const Index count = std::min(block, outputs() - first);
      Workspace::Frame of_block(workspace);
      for (std::size_t i = 0; i < maps.size(); ++i) {
        const Linear<Weight>& product = products_[i][static_cast<std::size_t>(first / block)];
        Rows y = of_block.rows(maps[i].size.area(), product.outputs());
        product.forward(maps[i].x, workspace, y);
        maps[i].y = y.data();
      }
      FeatureMap part = out.slice(first, count);
      workspace.executor().for_each(out.size.height,
                                    [&](Index y, Index slot) { add_line(maps, y, scratch + slot * line, part); });
    }
  }

 private:
  static constexpr Index side = 3;    // of the kernel
  static constexpr Index block = 64;  // outputs that are computed together: their products with all taps fit a cache

  /// A map that is smaller than y, and its products for a block of outputs.
  struct Small {
    Activations x;
    Size size;
    const float* y;  // (size.area(), side, side, outputs)
    Index scratch;   // where its line begins
  };

  /// Reads W of some outputs to w, (count, inputs, side, side), on all threads.
  void read_block(const WeightScope& weights, Index first, Index count, AlignedBuffer<float>& w) const {
    constexpr Index step = 8;
    const Index size = inputs_ * side * side;
    weights.executor().for_each(detail::ceil_div(count, step), [&](Index item, Index) {
      const Index begin = item * step, length = std::min(step, count - begin) * size;
      weights.read("weight", {outputs(), inputs_, side, side}, (first + begin) * size, length, w.data() + begin * size);
    });
  }

  /// Writes one tap's weights of output number `output` in w, for `depth` channels from `channel` on.
  void copy_tap(const AlignedBuffer<float>& w, Index output, Index channel, Index depth, Index tap, float* to) const {
    const float* from = w.data() + (output * inputs_ + channel) * side * side + tap;
    for (Index c = 0; c < depth; ++c, from += side * side) to[c] = *from;
  }

  /// Adds to line `y` of out what the small maps contribute, and applies ReLU.
  static void add_line(std::span<const Small> maps, Index y, float* scratch, FeatureMap& out) {
    using Outputs = Eigen::Array<float, Eigen::Dynamic, 1, 0, block, 1>;
    const Index count = out.channels();
    for (const Small& map : maps) interpolate_down(map, y, out, scratch + map.scratch);
    for (Index x = 0; x < out.size.width; ++x) {
      Eigen::Map<Eigen::ArrayXf> pixel(out.pixel(y, x), count);
      Outputs sum = pixel;
      for (const Small& map : maps) {
        for_each_tap(x, map.size.width, out.size.width, [&](Index tap, const detail::LinearTap& between) {
          const auto column = [&](Index i) {
            const float* const at = scratch + map.scratch + (i * side + tap) * count;
            return Eigen::Map<const Eigen::ArrayXf>(at, count);
          };
          sum += (1 - between.weight) * column(between.first) + between.weight * column(between.second);
        });
      }
      pixel = sum.max(0.0f);
    }
  }

  /// Writes to `line` (map.size.width, side, outputs) what the taps in each column of the kernel contribute to line `y`
  /// of out.
  static void interpolate_down(const Small& map, Index y, const FeatureMap& out, float* line) {
    const Index columns = side * out.channels();
    Eigen::Map<Eigen::ArrayXf>(line, map.size.width * columns).setZero();
    for_each_tap(y, map.size.height, out.size.height, [&](Index tap, const detail::LinearTap& between) {
      for (Index x = 0; x < map.size.width; ++x) {
        const auto row = [&](Index i) {
          const float* const at = map.y + ((i * map.size.width + x) * side + tap) * columns;
          return Eigen::Map<const Eigen::ArrayXf>(at, columns);
        };
        Eigen::Map<Eigen::ArrayXf>(line + x * columns, columns) +=
            (1 - between.weight) * row(between.first) + between.weight * row(between.second);
      }
    });
  }

  /// Calls work(tap, between) for those of the kernel's lines or columns that lie within the `to` of the enlarged map
  /// if the middle one lies at number i: they lie between two of the `from` of the map.
  template <typename Work>
  static void for_each_tap(Index i, Index from, Index to, const Work& work) {
    for (Index tap = 0; tap < side; ++tap) {
      const Index at = i + tap - side / 2;
      if (at >= 0 && at < to) work(tap, detail::LinearTap::at(at, from, to));
    }
  }

  Index inputs_;                                       // channels of all maps
  Conv2d<Weight> base_;                                // of x0
  std::vector<std::vector<Linear<Weight>>> products_;  // of each other map, for each block of outputs
};

}  // namespace beit::inline BEIT_ABI
