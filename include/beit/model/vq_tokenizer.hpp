// The tokenizer of BEiT v2's pre-training: VQ-KD.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/any_tokenizer.hpp>
#include <beit/model/vq_transformer.hpp>
#include <beit/nn/codebook.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The tokenizer of BEiT v2's pre-training, VQ-KD (Peng et al. 2022, section 2): a vision transformer turns each patch
/// into a vector of unit length, whose token is the nearest code of a codebook; a second one turns codes into features
/// like those of the teacher, CLIP or DINO, but not into pixels. AnyTokenizer has its calls; Weight is the trunks'
/// weight type, as in Beit, while the layers after them compute in float. It can be moved, not copied.
template <typename Weight>
class VqTokenizer final : public AnyTokenizer {
 public:
  /// One half may be missing. The encoder takes images of the preprocessing's size, and the decoder grids of
  /// `preprocessing.input_size` / `patch` codes. Calls without a workspace run on `executor`, whose pool must outlive
  /// the tokenizer. ConfigError if the parts don't belong together.
  VqTokenizer(Preprocessing preprocessing, Size patch, Codebook codebook, std::optional<VqTransformer<Weight>> encoder,
              std::optional<VqTransformer<Weight>> decoder, const Executor& executor = default_thread_pool())
      : AnyTokenizer(std::move(preprocessing), patch, codebook.size(), WeightTraits<Weight>::precision,
                     codebook.kernels(), executor),
        codebook_(std::move(codebook)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)) {
    if (encoder_) {
      require("an encoder", encoder_->config(), encoder_->config().outputs);
      require_images(encoder_->config());
    }
    if (decoder_) require("a decoder", decoder_->config(), decoder_->config().in_chans);
  }

  bool has_encoder() const override { return encoder_.has_value(); }
  bool has_decoder() const override { return false; }
  Index feature_dim() const override { return decoder_ ? decoder_->config().outputs : 0; }
  Matrix::ConstMap codes() const override { return codebook_.codes(); }

  void forward(const ConstRows& x, Workspace& workspace, Rows out) const override {
    require_shapes(x, out);
    if (!encoder_) throw ArgumentError("Tokenizer: found no encoder, wanted one in the file");
    const Index pixels = preprocessing().input_size.area(), patches = grid().area();
    for (Index b = 0; b < x.rows(); ++b) {
      const Workspace::Part part(workspace, b, x.rows());
      Workspace::Frame frame(workspace);
      Rows planes = frame.rows(1, 3 * pixels), codes = frame.rows(patches, codebook_.dim());
      Eigen::Map<RowMajorMatrix>(planes.data(), 3, pixels) =
          Eigen::Map<const RowMajorMatrix>(x.data() + b * x.outerStride(), pixels, 3).transpose();
      encoder_->forward(planes, workspace, codes);
      for (Index i = 0; i < patches; ++i) normalise(codes.data() + i * codes.outerStride(), codes.cols());
      codebook_.forward(codes, workspace, out.middleRows(b * patches, patches));
    }
  }

  using AnyTokenizer::decode;
  [[noreturn]] Image decode(const Tokens&, Workspace&) const override {
    throw ArgumentError(
        "Tokenizer: found BEiT v2's tokenizer, whose decoder gives the teacher's features (decode_features), wanted "
        "DALL-E's, whose decoder gives pixels");
  }

  using AnyTokenizer::decode_features;
  void decode_features(const Tokens& tokens, Workspace& workspace, Rows out) const override {
    if (!decoder_) throw ArgumentError("Tokenizer: found no decoder, wanted one in the file");
    const Index count = grid().area(), dim = codebook_.dim();
    if (tokens.grid != grid() || static_cast<Index>(tokens.values.size()) != count) {
      throw ArgumentError(detail::concat({"decode_features: found ", tokens.values.size(), " tokens in a grid of ",
                                          detail::size_text(tokens.grid), ", wanted ", detail::size_text(grid())}));
    }
    for (const std::int32_t token : tokens.values) {
      if (token >= 0 && token < vocab_size()) continue;
      throw ArgumentError(detail::concat({"decode_features: found token ", token, ", wanted 0 to ", vocab_size() - 1}));
    }
    require_shape(out, count, feature_dim(), "decode_features: out");
    Workspace::Frame frame(workspace);
    Rows planes = frame.rows(1, dim * count);  // a code per pixel, plane by plane
    const Matrix::ConstMap codes = codebook_.codes();
    for (Index i = 0; i < count; ++i) {
      const float* const code = codes.data() + tokens.values[static_cast<std::size_t>(i)] * dim;
      for (Index k = 0; k < dim; ++k) planes.data()[k * count + i] = code[k];
    }
    decoder_->forward(planes, workspace, out);
  }

 private:
  /// z / max(|z|, 1e-12), torch's normalize.
  static void normalise(float* z, Index dim) {
    double sum = 0;
    for (Index k = 0; k < dim; ++k) {
      const auto value = static_cast<double>(z[k]);
      sum += value * value;
    }
    const double length = std::max(std::sqrt(sum), 1e-12);
    for (Index k = 0; k < dim; ++k) z[k] = static_cast<float>(static_cast<double>(z[k]) / length);
  }

  /// ConfigError unless a half has the tokenizer's grid and, where it meets the codes, their width.
  void require(const char* half, const TrunkConfig& config, Index width) const {
    if (config.grid() == grid() && width == codebook_.dim()) return;
    throw ConfigError(detail::concat({"tokenizer: found ", half, " of ", detail::size_text(config.grid()), " codes of ",
                                      width, " numbers, wanted ", detail::size_text(grid()), " of ", codebook_.dim()}));
  }

  /// ConfigError unless the encoder takes the images that the preprocessing makes.
  void require_images(const TrunkConfig& encoder) const {
    const Size wanted = preprocessing().input_size;
    if (encoder.image_size == wanted && encoder.in_chans == 3) return;
    throw ConfigError(
        detail::concat({"tokenizer: found an encoder of images of ", detail::size_text(encoder.image_size), " and ",
                        encoder.in_chans, " channels, wanted ", detail::size_text(wanted), " and 3"}));
  }

  Codebook codebook_;
  std::optional<VqTransformer<Weight>> encoder_, decoder_;
};

}  // namespace beit::inline BEIT_ABI
