// Turns pixels into visual tokens: dall_e.Encoder.
#pragma once

#include <cstddef>
#include <iterator>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/dvae_config.hpp>
#include <beit/model/dvae_groups.hpp>
#include <beit/nn/conv2d.hpp>
#include <beit/nn/dvae_block.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/max_pool.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The encoder of DALL-E's discrete VAE. It is constant, like Beit.
template <typename Weight>
class DvaeEncoder {
 public:
  /// Reads the parameters below "blocks", under dall_e's names. WeightError if one is missing, mis-shaped or not
  /// finite; ConfigError if `config` describes no possible model.
  DvaeEncoder(DvaeConfig config, const WeightScope& weights, const Kernels& kernels = default_kernels())
      : kernels_(&kernels),
        config_(detail::checked(config)),
        input_(kernels, weights.scope("blocks").scope("input"), dall_e_conv2d(config.n_hid, 3, 7)),
        output_(kernels, weights.scope("blocks").scope("output").scope("conv"),
                dall_e_conv2d(config.vocab_size, config.n_hid * config.stride(), 1)),
        groups_(detail::read_dvae_groups<Weight>(kernels, weights.scope("blocks"), config, config.n_hid,
                                                 config.widths(), DvaeBlock<Weight>::encoder)) {}

  /// Its configuration.
  const DvaeConfig& config() const { return config_; }
  /// The kernels that it runs on.
  const Kernels& kernels() const { return *kernels_; }

  /// The grid of tokens of an image. ArgumentError unless both sides are multiples of config().stride().
  Size grid(Size image) const {
    const Index stride = config_.stride();
    if (image.height < 1 || image.width < 1 || image.height % stride != 0 || image.width % stride != 0) {
      throw ArgumentError(detail::concat(
          {"DvaeEncoder: found image size ", detail::size_text(image), ", wanted multiples of ", stride}));
    }
    return {image.height / stride, image.width / stride};
  }

  /// Computes logits, one row per token, which is the row's argmax: x (B, H*W*3), values in [0, 1], pixel by pixel
  /// (TensorLayout::channels_last) -> out (B*h*w, V), (h, w) = grid(size). It applies dall_e's map_pixels. It takes one
  /// image at a time, so that memory doesn't grow with B. ArgumentError for a wrong shape.
  void forward(const ConstRows& x, Size size, Workspace& workspace, Rows out) const {
    const Size grid = this->grid(size);
    require_shape(x, x.rows(), 3 * size.area(), "DvaeEncoder: x");
    require_shape(out, x.rows() * grid.area(), config_.vocab_size, "DvaeEncoder: out");
    for (Index b = 0; b < x.rows(); ++b) {
      const Workspace::Part part(workspace, b, x.rows());
      encode(x.data() + b * x.outerStride(), size, workspace, out.middleRows(b * grid.area(), grid.area()));
    }
  }

 private:
  /// Encodes one image: pixels (H*W, 3) -> out (h*w, V).
  void encode(const float* pixels, Size size, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    Rows mapped = frame.rows(size.area(), 3);
    workspace.executor().for_each(size.height, [&](Index y, Index) {
      for (Index i = y * size.width * 3; i < (y + 1) * size.width * 3; ++i) mapped.data()[i] = 0.8f * pixels[i] + 0.1f;
    });
    Index channels = config_.n_hid;
    const auto map = [&](float* data) {
      return FeatureMap{Eigen::Map<RowMajorMatrix>(data, size.area(), channels), size};
    };
    // (H*W, channels): half as large from group to group; its pooled form takes a quarter.
    float* const x = frame.floats(size.area() * channels);
    float* const pooled = frame.floats(size.area() * channels / 4);
    input_.forward({mapped, size}, workspace, map(x));
    workspace.report("group", 0, std::ssize(groups_));
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      float* in = x;
      if (i > 0) {
        const FeatureMap whole = map(x);
        size = {size.height / 2, size.width / 2};
        in = pooled;
        max_pool(whole, workspace, map(in));
      }
      for (const DvaeBlock<Weight>& block : groups_[i]) {
        const FeatureMap from = map(in);
        channels = block.outputs();
        block.forward(from, 1, workspace, map(x));
        in = x;
      }
      workspace.report("group", static_cast<Index>(i) + 1, std::ssize(groups_));
    }
    output_.forward(map(x), {.relu = true}, workspace, {out, size});
  }

  const Kernels* kernels_;
  DvaeConfig config_;
  Conv2d<typename WeightTraits<Weight>::BoundaryWeight> input_, output_;
  detail::DvaeGroups<Weight> groups_;
};

}  // namespace beit::inline BEIT_ABI
