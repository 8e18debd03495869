// The feature pyramid and the UPerNet head of segmentation models.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/average_pool.hpp>
#include <beit/nn/conv2d.hpp>
#include <beit/nn/conv_transpose2d.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/max_pool.hpp>
#include <beit/nn/pyramid_conv2d.hpp>
#include <beit/nn/resize_bilinear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// transformers' BeitPyramidPoolingModule and the convolution after it; mmsegmentation's PPM: the last map beside its
/// means over s x s windows, for several s.
///
///   y = relu(conv3x3([x, up(relu(conv1x1(pool_s(x)))) for each s])), where up is bilinear
template <typename Weight>
class PyramidPooling {
 public:
  /// Reads "psp_modules.I.1.conv" for scale number I and "bottleneck.conv". `kernels` must outlive it.
  PyramidPooling(const Kernels& kernels, const WeightScope& weights, Index channels, Index dim,
                 const std::vector<Index>& scales)
      : scales_(scales),
        bottleneck_(kernels, weights.scope("bottleneck.conv"), channels, widths(dim, scales.size(), channels)) {
    for (std::size_t i = 0; i < scales.size(); ++i) {
      convs_.emplace_back(kernels, weights.scope("psp_modules").scope(std::to_string(i)).scope("1.conv"),
                          Conv2dArguments{.outputs = channels, .inputs = dim, .kernel = 1, .relu = true});
    }
  }

  /// out = y; x (h, w) with C channels, out (h, w) with `channels` channels.
  void forward(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) const {
    const Index dim = x.channels(), channels = out.channels();
    Workspace::Frame frame(workspace);
    std::vector<ConstFeatureMap> maps{x};
    for (std::size_t i = 0; i < scales_.size(); ++i) {
      const Size size{scales_[i], scales_[i]};
      const FeatureMap features = feature_map(frame, size, channels);
      Workspace::Frame of_scale(workspace);
      const FeatureMap pooled = feature_map(of_scale, size, dim);
      adaptive_average_pool(x, workspace, pooled);
      convs_[i].forward(pooled, workspace, features);
      maps.push_back(features);
    }
    bottleneck_.forward(maps, workspace, out);
  }

 private:
  /// The channels of x and of the map of each scale.
  static std::vector<Index> widths(Index dim, std::size_t scales, Index channels) {
    std::vector<Index> widths(1 + scales, channels);
    widths[0] = dim;
    return widths;
  }

  std::vector<Index> scales_;
  std::vector<Conv2d<Weight>> convs_;  // one per scale
  PyramidConv2d<Weight> bottleneck_;
};

/// transformers' BeitFPNNeck and BeitUperHead; the end of Microsoft's BEiT and mmsegmentation's UPerHead. With the maps
/// m0 to m3, convolutions of which each has a ReLU, and bilinear resizes `up` to the size of the other operand:
///
///   f0 = fpn1(m0), f1 = fpn2(m1), f2 = m2, f3 = maxpool(m3)     at 4, 2, 1 and 1/2 times the grid
///   l3 = pooling(f3), l2 = lateral(f2) + up(l3), l1 = lateral(f1) + up(l2), l0 = lateral(f0) + up(l1)
///   logits = classifier(fpn_bottleneck([fpn_conv(l0), up(fpn_conv(l1)), up(fpn_conv(l2)), up(l3)]))
///
/// where fpn1 is a transposed convolution, GELU and another one, and fpn2 one of them. There are no batch norms: they
/// are folded into the convolutions (BatchNormFolded).
template <typename Weight>
class UperNet {
 public:
  /// The sizes of the layers.
  struct Options {
    Index dim;                       ///< C, channels of the maps.
    Index channels;                  ///< Channels of the decode head.
    Index num_classes;               ///< K.
    std::vector<Index> pool_scales;  ///< The sides of the maps in pyramid pooling.
  };

  /// Reads "fpn1", "fpn2" and "decode_head". `kernels` must outlive it.
  UperNet(const Kernels& kernels, const WeightScope& weights, const Options& options)
      : fpn1_{ConvTranspose2d<Weight>(kernels, weights.scope("fpn1.0"), options.dim, options.dim, 2),
              ConvTranspose2d<Weight>(kernels, weights.scope("fpn1.3"), options.dim, options.dim, 2)},
        fpn2_(kernels, weights.scope("fpn2.0"), options.dim, options.dim, 2),
        pooling_(kernels, weights.scope("decode_head"), options.channels, options.dim, options.pool_scales),
        fpn_bottleneck_(kernels, weights.scope("decode_head.fpn_bottleneck.conv"), options.channels,
                        std::vector<Index>(4, options.channels)),
        classifier_(kernels, weights.scope("decode_head.classifier"),
                    {.outputs = options.num_classes, .inputs = options.channels, .kernel = 1}) {
    for (const char* level : {"0", "1", "2"}) {
      lateral_convs_.emplace_back(
          kernels, weights.scope("decode_head.lateral_convs").scope(level).scope("conv"),
          Conv2dArguments{.outputs = options.channels, .inputs = options.dim, .kernel = 1, .relu = true});
      fpn_convs_.emplace_back(
          kernels, weights.scope("decode_head.fpn_convs").scope(level).scope("conv"),
          Conv2dArguments{
              .outputs = options.channels, .inputs = options.channels, .kernel = 3, .padding = 1, .relu = true});
    }
  }

  /// Computes the logits of an image: out (16*Gh*Gw, K), at four times the grid. write_maps(Rows tokens) is called once
  /// to write the four maps m0 to m3 one below the other, (4*Gh*Gw, C): their memory is then used for other maps.
  template <typename WriteMaps>
  void forward(Size grid, const WriteMaps& write_maps, Workspace& workspace, Rows out) const {
    const Size full{4 * grid.height, 4 * grid.width};
    const Index channels = fpn_bottleneck_.outputs();
    {
      // One piece of memory for what follows, 30 times the grid and what convolutions gather: a first pass would
      // otherwise take a piece for each of its steps and keep them all, because none has room for the large maps.
      Workspace::Frame together(workspace);
      together.rows(41 * grid.area(), channels);
    }
    Workspace::Frame frame(workspace);
    // Maps of the full size take most of the memory: the three share a place. Each convolution writes over the lines of
    // its input that it has read, one line ahead of it.
    const FeatureMap shared = feature_map(frame, {full.height + 2, full.width}, channels);
    const FeatureMap l0 = lines(shared, 2, full.height), outer = lines(shared, 1, full.height),
                     joined = lines(shared, 0, full.height);
    const FeatureMap middle = feature_map(frame, {2 * grid.height, 2 * grid.width}, channels);
    const FeatureMap inner = feature_map(frame, grid, channels);
    const FeatureMap top = feature_map(frame, {grid.height / 2, grid.width / 2}, channels);
    make_levels(grid, write_maps, workspace, {l0, middle, inner, top});
    workspace.report("head", 1, steps);
    fpn_convs_[0].forward(l0, workspace, outer);
    workspace.report("head", 2, steps);
    fpn_bottleneck_.forward(std::array<ConstFeatureMap, 4>{outer, middle, inner, top}, workspace, joined);
    classifier_.forward(joined, workspace, FeatureMap{out, full});
    workspace.report("head", 3, steps);
  }

 private:
  static constexpr Index steps = 3;  // that are reported

  /// The maps l0, fpn_conv(l1), fpn_conv(l2) and l3.
  using Levels = std::array<FeatureMap, 4>;

  /// Computes the levels.
  template <typename WriteMaps>
  void make_levels(Size grid, const WriteMaps& write_maps, Workspace& workspace, const Levels& maps) const {
    const FeatureMap &l0 = maps[0], &middle = maps[1], &inner = maps[2], &l3 = maps[3];
    const Index dim = fpn2_.outputs();
    Workspace::Frame frame(workspace);
    const Rows tokens = frame.rows(4 * grid.area(), dim);
    write_maps(tokens);
    const auto map = [&](Index i) { return ConstFeatureMap(tokens.middleRows(i * grid.area(), grid.area()), grid); };
    const FeatureMap f3 = feature_map(frame, l3.size, dim);
    max_pool(map(3), workspace, f3);
    pooling_.forward(f3, workspace, l3);
    const FeatureMap l2 = feature_map(frame, grid, inner.channels());
    lateral_convs_[2].forward(map(2), workspace, l2);
    resize_bilinear_add(l3, workspace, l2);
    fpn_convs_[2].forward(l2, workspace, inner);
    const FeatureMap l1 = feature_map(frame, middle.size, middle.channels());
    for_each_band(map(1), [&](const ConstFeatureMap& band, Index line) {
      Workspace::Frame of_band(workspace);
      const FeatureMap f1 = feature_map(of_band, fpn2_.output_size(band.size), dim);
      fpn2_.forward(band, workspace, f1);
      lateral_convs_[1].forward(f1, workspace, lines(l1, 2 * line, f1.size.height));
    });
    resize_bilinear_add(l2, workspace, l1);
    fpn_convs_[1].forward(l1, workspace, middle);
    for_each_band(map(0), [&](const ConstFeatureMap& band, Index line) {
      Workspace::Frame of_band(workspace);
      const FeatureMap half = feature_map(of_band, fpn1_[0].output_size(band.size), dim);
      const FeatureMap f0 = feature_map(of_band, fpn1_[1].output_size(half.size), dim);
      fpn1_[0].forward_gelu(band, workspace, half);
      fpn1_[1].forward(half, workspace, f0);
      lateral_convs_[0].forward(f0, workspace, lines(l0, 4 * line, f0.size.height));
    });
    resize_bilinear_add(l1, workspace, l0);
  }

  /// The lines [first, first + count) of a map.
  static FeatureMap lines(FeatureMap map, Index first, Index count) {
    return {map.pixels.middleRows(first * map.size.width, count * map.size.width), {count, map.size.width}};
  }

  /// Calls work(band, line) for bands of a map, of which the first begins at `line`: what is computed pixel by pixel
  /// needs no memory for the whole, enlarged map.
  template <typename Work>
  static void for_each_band(const ConstFeatureMap& map, const Work& work) {
    constexpr Index pixels = 256;  // 4,096 of the enlarged map
    const Index width = map.size.width, step = std::clamp<Index>(pixels / width, 1, map.size.height);
    for (Index line = 0; line < map.size.height; line += step) {
      const Index count = std::min(step, map.size.height - line);
      work(ConstFeatureMap(map.pixels.middleRows(line * width, count * width), {count, width}), line);
    }
  }

  std::array<ConvTranspose2d<Weight>, 2> fpn1_;
  ConvTranspose2d<Weight> fpn2_;
  std::vector<Conv2d<Weight>> lateral_convs_, fpn_convs_;  // of the levels 0 to 2
  PyramidPooling<Weight> pooling_;
  PyramidConv2d<Weight> fpn_bottleneck_;
  Conv2d<typename WeightTraits<Weight>::BoundaryWeight> classifier_;
};

}  // namespace beit::inline BEIT_ABI
