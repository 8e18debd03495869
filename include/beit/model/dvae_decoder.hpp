// Turns visual tokens into pixels: dall_e.Decoder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/dvae_config.hpp>
#include <beit/model/dvae_groups.hpp>
#include <beit/nn/conv2d.hpp>
#include <beit/nn/dvae_block.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The decoder of DALL-E's discrete VAE. It is constant, like Beit.
template <typename Weight>
class DvaeDecoder {
 public:
  /// Reads the parameters below "blocks", under dall_e's names. WeightError if one is missing, mis-shaped or not
  /// finite; ConfigError if `config` describes no possible model.
  DvaeDecoder(DvaeConfig config, const WeightScope& weights, const Kernels& kernels = default_kernels())
      : kernels_(&kernels),
        config_(detail::checked(config)),
        embeddings_(read_embeddings(weights.scope("blocks").scope("input"), config)),
        output_(kernels, weights.scope("blocks").scope("output").scope("conv"), dall_e_conv2d(6, config.n_hid, 1)) {
    std::vector<Index> widths = config.widths();
    std::reverse(widths.begin(), widths.end());
    groups_ = detail::read_dvae_groups<Weight>(kernels, weights.scope("blocks"), config, config.n_init, widths,
                                               DvaeBlock<Weight>::decoder);
  }

  /// Its configuration.
  const DvaeConfig& config() const { return config_; }
  /// The kernels that it runs on.
  const Kernels& kernels() const { return *kernels_; }
  /// The size in pixels of the image of a grid of tokens.
  Size image_size(Size grid) const { return {grid.height * config_.stride(), grid.width * config_.stride()}; }

  /// Computes dall_e.Decoder's six channels, the sigmoid of whose first three is the mapped pixels: tokens (h*w,), from
  /// 0 to V - 1, row by row -> out (H*W, 6), (H, W) = image_size(grid). ArgumentError for a wrong shape or an unknown
  /// token.
  void forward(std::span<const std::int32_t> tokens, Size grid, Workspace& workspace, Rows out) const {
    require(tokens, grid);
    require_shape(out, image_size(grid).area(), 6, "DvaeDecoder: out");
    Workspace::Frame frame(workspace);
    Size size = grid;
    Index channels = config_.n_init;
    const auto map = [&](float* data) {
      return FeatureMap{Eigen::Map<RowMajorMatrix>(data, size.area(), channels), size};
    };
    // (H*W, channels), with more pixels and fewer channels from group to group
    float* x = frame.floats(size.area() * channels);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::copy_n(embeddings_.data() + tokens[i] * channels, channels, x + static_cast<Index>(i) * channels);
    }
    workspace.report("group", 0, std::ssize(groups_));
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      for (std::size_t j = 0; j < groups_[i].size(); ++j) {
        const DvaeBlock<Weight>& block = groups_[i][j];
        const FeatureMap in = map(x);
        const Index upsampling = i > 0 && j == 0 ? 2 : 1;
        size = {size.height * upsampling, size.width * upsampling};
        if (block.outputs() != channels || upsampling > 1) x = frame.floats(size.area() * block.outputs());
        channels = block.outputs();
        block.forward(in, upsampling, workspace, map(x));
      }
      workspace.report("group", static_cast<Index>(i) + 1, std::ssize(groups_));
    }
    output_.forward(map(x), {.relu = true}, workspace, {out, size});
  }

  /// Decodes tokens to an image of image_size(grid), with dall_e's unmap_pixels. ArgumentError as forward.
  [[nodiscard]] Image decode(std::span<const std::int32_t> tokens, Size grid, Workspace& workspace) const {
    require(tokens, grid);
    const Size size = image_size(grid);
    Workspace::Frame frame(workspace);
    Rows logits = frame.rows(size.area(), 6);
    forward(tokens, grid, workspace, logits);
    Image image(size.height, size.width);
    workspace.executor().for_each(size.height, [&](Index y, Index) {
      for (Index i = y * size.width; i < (y + 1) * size.width; ++i) {
        for (Index c = 0; c < 3; ++c) {
          const float mapped = 1 / (1 + std::exp(-logits(i, c)));
          const float value = std::clamp((mapped - 0.1f) / 0.8f, 0.0f, 1.0f);
          image.data()[3 * i + c] = static_cast<std::uint8_t>(std::lround(255 * value));
        }
      }
    });
    return image;
  }

 private:
  /// Turns the 1x1 convolution of one-hot pixels, w (n_init, V, 1, 1) and b, into one row per token: (V, n_init).
  static AlignedBuffer<float> read_embeddings(const WeightScope& input, const DvaeConfig& config) {
    const AlignedBuffer<float> w = input.get("w", {config.n_init, config.vocab_size, 1, 1});
    const AlignedBuffer<float> b = input.get("b", {config.n_init});
    AlignedBuffer<float> result(w.size());
    for (Index token = 0; token < config.vocab_size; ++token) {
      for (Index c = 0; c < config.n_init; ++c) {
        result[token * config.n_init + c] = w[c * config.vocab_size + token] + b[c];
      }
    }
    return result;
  }

  void require(std::span<const std::int32_t> tokens, Size grid) const {
    if (grid.height < 1 || grid.width < 1 || grid.area() != static_cast<Index>(tokens.size())) {
      throw ArgumentError(detail::concat(
          {"DvaeDecoder: found ", tokens.size(), " tokens, wanted a grid of ", detail::size_text(grid)}));
    }
    for (const std::int32_t token : tokens) {
      if (token >= 0 && token < config_.vocab_size) continue;
      throw ArgumentError(
          detail::concat({"DvaeDecoder: found token ", token, ", wanted 0 to ", config_.vocab_size - 1}));
    }
  }

  const Kernels* kernels_;
  DvaeConfig config_;
  AlignedBuffer<float> embeddings_;  // (V, n_init)
  Conv2d<typename WeightTraits<Weight>::BoundaryWeight> output_;
  detail::DvaeGroups<Weight> groups_;
};

}  // namespace beit::inline BEIT_ABI
