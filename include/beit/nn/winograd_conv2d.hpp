// Convolution with a 3x3 kernel by fewer multiplications than the kernel has: kernels/winograd.hpp explains it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/conv2d_arguments.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/task_shape.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = W * x + b for a 3x3 kernel and stride 1. In float and bfloat16, tiles are 2x2; in float-fast, whose rounding
/// errors may be larger, 4x4, unless images are small. In bfloat16 W is kept in bfloat16, and everything but the
/// products is computed in float: x's tiles and W's are rounded after their transforms.
///
/// Bands of lines of tiles are computed from the top, and in each, sections of x's channels: x's tiles are transformed,
/// and multiplied by W's transform, position by position; when all sections have been added, the sums are transformed
/// to pixels. Between two images W is kept as it was read, because its transform is 16/9 or 36/9 as large; a band has
/// so many tiles that making it again costs about a tenth of the time.
template <typename Weight>
class WinogradConv2d {
 public:
  /// Whether it is both accurate enough and faster than a product of windows.
  static bool suits(const Kernels& kernels, const Conv2dArguments& c) {
    constexpr Index least_channels = 16;  // with fewer, the transforms take longer than the products
    if constexpr (std::is_same_v<Weight, std::int8_t>) return false;
    // AMX multiplies bfloat16 faster than anything transforms; DALL-E's VAE was measured in float only.
    if (std::is_same_v<Weight, Eigen::bfloat16> && (kernels.isa == Isa::amx || c.small_images)) return false;
    return c.kernel == 3 && c.stride == 1 && c.inputs >= least_channels && c.outputs >= least_channels;
  }

  /// Reads the parameters that the arguments name. `kernels` must outlive it.
  WinogradConv2d(const Kernels& kernels, const WeightScope& weights, const Conv2dArguments& arguments)
      : gemm_(&precision_kernels<Weight>(kernels).gemm),
        transform_(std::is_same_v<Weight, FloatFast> && !arguments.small_images ? &kernels.winograd->by_4
                                                                                : &kernels.winograd->by_2),
        bias_(arguments.bias.empty() ? AlignedBuffer<float>() : weights.get(arguments.bias, {arguments.outputs})),
        outputs_(arguments.outputs),
        inputs_(arguments.inputs),
        padding_(arguments.padding) {
    const Executor& executor = weights.executor();
    read_weights(weights, arguments.weight);
    if (!arguments.small_images) return;
    kept_ = AlignedBuffer<std::byte>(section_offset(inputs_) + packed_bytes(outputs_, inputs_ % section_channels));
    AlignedBuffer<float> scratch(executor.size() * weights_scratch(section_channels));
    for (Index channel = 0; channel < inputs_; channel += section_channels) {
      transform_weights({0, outputs_}, channel, executor, scratch.data(), kept_.data() + section_offset(channel));
    }
    weights_ = {};
  }

  /// out = epilogue(y); `scale` is the epilogue's. x and out are as in Conv2d.
  void forward(const ConstFeatureMap& x, Conv2dInput input, kernels::Epilogue epilogue, const float* scale,
               Workspace& workspace, FeatureMap& out) const {
    const Index m = transform_->tile;
    const Size tiles{detail::ceil_div(out.size.height, m), detail::ceil_div(out.size.width, m)};
    const Index step = band_lines(tiles, workspace.executor());
    for (Index first = 0; first < tiles.height; first += step) {
      Workspace::Frame frame(workspace);
      const Band band{first, {std::min(step, tiles.height - first), tiles.width}};
      float* const sums = frame.floats(transform_->positions() * position_sums(band));
      for (Index channel = 0; channel < inputs_; channel += section_channels) {
        add_section(x, input, band, channel, workspace, sums);
      }
      write_pixels(band, sums, epilogue, scale, workspace.executor(), out);
    }
  }

 private:
  static constexpr Index section_channels = 256;  // whose transformed tiles fill a second-level cache
  static constexpr Index most_positions = 36;
  using Stored = std::conditional_t<std::is_same_v<Weight, Eigen::bfloat16>, Eigen::bfloat16, float>;

  /// Some lines of tiles.
  struct Band {
    Index first;
    Size tiles;
  };
  using Tiles = std::array<Activations, most_positions>;  // (tiles, channels) for each position
  /// Some of the outputs.
  struct Outputs {
    Index first, count;
  };

  /// Reads W, some outputs at a time on all threads, into the order in which it is kept.
  void read_weights(const WeightScope& weights, std::string_view name) {
    constexpr Index step = 16;
    const std::initializer_list<Index> shape{outputs_, inputs_, 3, 3};
    const Index size = 9 * inputs_;            // of an output
    weights.read(name, shape, 0, 0, nullptr);  // checks the shape before memory for it is allocated
    weights_ = AlignedBuffer<Stored>(outputs_ * size);
    AlignedBuffer<float> scratch(weights.executor().size() * step * size);
    weights.executor().for_each(detail::ceil_div(outputs_, step), [&](Index item, Index slot) {
      const Index first = item * step, count = std::min(step, outputs_ - first);
      float* const taps = scratch.data() + slot * step * size;
      weights.read(name, shape, first * size, count * size, taps);
      detail::put_channels_last(taps, count, inputs_, 9);
      for (Index i = 0; i < count * size; ++i) weights_[first * size + i] = static_cast<Stored>(taps[i]);
    });
  }

  /// A distance of at least `floats` between rows that are read or written at the same time: an odd number of cache
  /// lines, so that they don't compete for the same few places of a cache.
  static Index spread(Index floats) { return (detail::ceil_div(floats, 16) | 1) * 16; }
  /// Floats of the sums of a panel's columns, (rows of padded tiles, column_tile), and of a position.
  Index panel_sums(const Band& band) const {
    return detail::round_up(band.tiles.area(), gemm_->layout->row_tile) * gemm_->column_tile;
  }
  Index position_sums(const Band& band) const {
    return spread(detail::ceil_div(outputs_, gemm_->column_tile) * panel_sums(band));
  }
  Index depth(Index channel) const { return std::min(section_channels, inputs_ - channel); }

  /// Bytes of W's transform for so many outputs and channels, and of one of its positions.
  Index position_bytes(Index outputs, Index channels) const {
    return detail::round_up_to_cache_line(gemm_->packed_bytes(outputs, channels));
  }
  Index packed_bytes(Index outputs, Index channels) const {
    return transform_->positions() * position_bytes(outputs, channels);
  }
  Index section_offset(Index channel) const {
    return channel / section_channels * packed_bytes(outputs_, section_channels);
  }
  Index weights_scratch(Index channels) const {
    return transform_->positions() * spread(gemm_->column_tile * channels) + spread(9 * channels);  // in floats
  }

  /// The lines of tiles in a band: so few that its tiles and sums stay in a third-level cache, and so many, if W must
  /// be transformed for each, that this doesn't matter.
  Index band_lines(Size tiles, const Executor& executor) const {
    const Index wanted = kept_.size() > 0 ? 200 : 560;
    const Index all = wanted * 4 / (transform_->tile * transform_->tile) * std::max<Index>(1, executor.size() / 2);
    return std::clamp<Index>(detail::ceil_div(std::max<Index>(all, 200), tiles.width), 1, tiles.height);
  }

  /// Adds the products of the section of channels that begins with this one to the sums, (positions, panels, tiles,
  /// column_tile), or writes the first section's.
  void add_section(const ConstFeatureMap& x, Conv2dInput input, const Band& band, Index channel, Workspace& workspace,
                   float* sums) const {
    Workspace::Frame frame(workspace);
    const Executor& executor = workspace.executor();
    Tiles tiles;
    for (Index p = 0; p < transform_->positions(); ++p) {
      tiles[static_cast<std::size_t>(p)] = frame.activations(*gemm_->layout, 1, band.tiles.area(), depth(channel));
    }
    transform_tiles(x, input, band, channel, workspace, tiles);
    if (kept_.size() > 0) {
      return multiply(band, tiles, {0, outputs_}, kept_.data() + section_offset(channel), channel > 0, workspace, sums);
    }
    // For few outputs at a time, W's transform takes little memory, and is still in a cache when it is multiplied.
    const Index step = gemm_->column_tile * 2 * std::max<Index>(2, executor.size());
    std::byte* const made = frame.bytes(packed_bytes(std::min(step, outputs_), depth(channel)));
    float* const scratch = frame.floats(executor.size() * weights_scratch(depth(channel)));
    for (Index first = 0; first < outputs_; first += step) {
      const Outputs outputs{first, std::min(step, outputs_ - first)};
      transform_weights(outputs, channel, executor, scratch, made);
      multiply(band, tiles, outputs, made, channel > 0, workspace, sums);
    }
  }

  void transform_tiles(const ConstFeatureMap& x, Conv2dInput input, const Band& band, Index channel,
                       Workspace& workspace, const Tiles& tiles) const {
    Workspace::Frame frame(workspace);
    const Index m = transform_->tile, positions = transform_->positions(), channels = depth(channel);
    const Index stride = spread(tiles[0].layout->row_tile * channels), own_size = positions * (stride + channels);
    float* const scratch = frame.floats(workspace.executor().size() * own_size);
    workspace.executor().for_each(tiles[0].tiles(), [&](Index t, Index slot) {
      const Activations::RowTile rows = tiles[0].tile(t);
      float* const own = scratch + slot * own_size;  // (positions, rows, channels), then a tile of x
      for (Index i = 0; i < rows.rows; ++i) {
        const Index line = band.first + (rows.row + i) / band.tiles.width, column = (rows.row + i) % band.tiles.width;
        const Pixels pixels =
            read_tile(x, input, line * m - padding_, column * m - padding_, channel, own + positions * stride);
        transform_->input(pixels.x, pixels.line, pixels.pixel, channels, input.relu, own + i * channels, stride);
      }
      for (Index p = 0; p < positions; ++p) tiles[static_cast<std::size_t>(p)].write(rows, own + p * stride, channels);
    });
  }

  /// A tile of x, (m+2, m+2, channels), whose lines are `line` and pixels `pixel` floats apart.
  struct Pixels {
    const float* x;
    Index line, pixel;
  };
  /// Returns a section of channels of the tile that begins at line y and column `column` of the enlarged x, beyond
  /// whose edges there are zeros. Only tiles that x doesn't have as they are get copied, to scratch (m+2, m+2,
  /// channels).
  Pixels read_tile(const ConstFeatureMap& x, Conv2dInput input, Index y, Index column, Index channel,
                   float* scratch) const {
    const Index side = transform_->side(), channels = depth(channel), scale = input.upsampling;
    const Size size{x.size.height * scale, x.size.width * scale};
    if (scale == 1 && y >= 0 && column >= 0 && y + side <= size.height && column + side <= size.width) {
      return {x.pixel(y, column) + channel, x.size.width * x.pixels.outerStride(), x.pixels.outerStride()};
    }
    float* to = scratch;
    for (Index i = y; i < y + side; ++i) {
      for (Index j = column; j < column + side; ++j, to += channels) {
        if (i >= 0 && i < size.height && j >= 0 && j < size.width) {
          std::copy_n(x.pixel(i / scale, j / scale) + channel, channels, to);
        } else {
          std::fill_n(to, channels, 0.0f);
        }
      }
    }
    return {scratch, side * channels, channels};
  }

  /// Transforms and packs the weights of a section and of some outputs; scratch (executor.size() * weights_scratch()).
  void transform_weights(Outputs outputs, Index channel, const Executor& executor, float* scratch,
                         std::byte* packed) const {
    const Index positions = transform_->positions(), columns = gemm_->column_tile, channels = depth(channel);
    const Index stride = spread(columns * channels), own_size = weights_scratch(channels);
    executor.for_each(detail::ceil_div(outputs.count, columns), [&](Index item, Index slot) {
      const Index first = item * columns, count = std::min(columns, outputs.count - first);
      float* const own = scratch + slot * own_size;  // (positions, count, channels), then (9, channels)
      for (Index i = 0; i < count; ++i) {
        const Taps taps = read_taps(outputs.first + first + i, channel, own + positions * stride);
        transform_->weights(taps.w, taps.stride, channels, own + i * channels, stride);
      }
      for (Index p = 0; p < positions; ++p) {
        gemm_->pack(own + p * stride, count, channels,
                    packed + p * position_bytes(outputs.count, channels) + gemm_->packed_offset(first, channels));
      }
    });
  }

  /// W of an output and a section of channels, (9, channels), whose rows are `stride` floats apart.
  struct Taps {
    const float* w;
    Index stride;
  };
  /// Writes them to scratch (9, channels) if they aren't kept in float.
  Taps read_taps(Index output, Index channel, [[maybe_unused]] float* scratch) const {
    const Stored* const w = weights_.data() + output * 9 * inputs_ + channel;
    if constexpr (std::is_same_v<Stored, float>) {
      return {w, inputs_};
    } else {
      const Index channels = depth(channel);
      for (Index tap = 0; tap < 9; ++tap) {
        for (Index c = 0; c < channels; ++c) scratch[tap * channels + c] = static_cast<float>(w[tap * inputs_ + c]);
      }
      return {scratch, channels};
    }
  }

  /// Multiplies by the packed weights of some outputs.
  void multiply(const Band& band, const Tiles& tiles, Outputs outputs, const std::byte* weights, bool add,
                Workspace& workspace, float* sums) const {
    const Executor& executor = workspace.executor();
    const Index positions = transform_->positions(), channels = tiles[0].columns, row_tiles = tiles[0].tiles();
    const detail::TaskShape task =
        detail::task_shape(*gemm_, row_tiles, outputs.count, channels, detail::ceil_div(executor.size(), positions));
    const Index across = detail::ceil_div(outputs.count, task.columns), down = detail::ceil_div(row_tiles, task.tiles);
    Workspace::Frame frame(workspace);
    const Index scratch_size = detail::round_up_to_cache_line(gemm_->scratch_bytes(task.tiles, task.columns, channels));
    std::byte* const scratch = frame.bytes(executor.size() * scratch_size);
    executor.for_each(positions * across * down, [&](Index item, Index slot) {
      const Index p = item / (across * down), tile = item / across % down * task.tiles;
      const Index column = item % across * task.columns;
      float* const position = sums + p * position_sums(band);
      const kernels::GemmCall call{.a = &tiles[static_cast<std::size_t>(p)],
                                   .packed = weights + p * position_bytes(outputs.count, channels),
                                   .sums = position + outputs.first / gemm_->column_tile * panel_sums(band),
                                   .add = add,
                                   .n = outputs.count,
                                   .short_sums = transform_->tile == 2};
      gemm_->run(call, tile, std::min(tile + task.tiles, row_tiles), column,
                 std::min(column + task.columns, outputs.count), scratch + slot * scratch_size);
    });
  }

  void write_pixels(const Band& band, const float* sums, kernels::Epilogue epilogue, const float* scale,
                    const Executor& executor, FeatureMap& out) const {
    const Index m = transform_->tile;
    executor.for_each(band.tiles.height, [&](Index line, Index) {
      for (Index column = 0; column < band.tiles.width; ++column) {
        const Index y = (band.first + line) * m, x = column * m;
        transform_->output({.first = sums + (line * band.tiles.width + column) * gemm_->column_tile,
                            .position = position_sums(band),
                            .panel = panel_sums(band),
                            .width = gemm_->column_tile},
                           {.bias = bias_.size() == 0 ? nullptr : bias_.data(),
                            .scale = scale,
                            .epilogue = epilogue,
                            .columns = outputs_,
                            .out = out.pixel(y, x),
                            .line = out.size.width * out.pixels.outerStride(),
                            .pixel = out.pixels.outerStride(),
                            .size = {std::min(m, out.size.height - y), std::min(m, out.size.width - x)}});
      }
    });
  }

  const kernels::GemmKernel* gemm_;
  const kernels::WinogradKernel* transform_;
  AlignedBuffer<Stored> weights_;  // (outputs, 9, inputs), or empty
  AlignedBuffer<std::byte> kept_;  // W's transform, packed, section by section, or empty
  AlignedBuffer<float> bias_;      // (outputs,) or empty
  Index outputs_, inputs_, padding_;
};

}  // namespace beit::inline BEIT_ABI
