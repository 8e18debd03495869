// The tokenizer of BEiT's pre-training: DALL-E's discrete VAE.
#pragma once

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
#include <beit/model/dvae_decoder.hpp>
#include <beit/model/dvae_encoder.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The tokenizer of BEiT's pre-training: DALL-E's discrete VAE with the preprocessing of its images, whose values are
/// from 0 to 1. AnyTokenizer has its calls; Weight is as in Beit. It can be moved, not copied.
template <typename Weight>
class DvaeTokenizer final : public AnyTokenizer {
 public:
  /// One half may be missing. Calls without a workspace run on `executor`, whose pool must outlive the tokenizer.
  /// ConfigError if the halves don't belong together.
  DvaeTokenizer(Preprocessing preprocessing, std::optional<DvaeEncoder<Weight>> encoder,
                std::optional<DvaeDecoder<Weight>> decoder, const Executor& executor = default_thread_pool())
      : AnyTokenizer(std::move(preprocessing), patch(of_halves(encoder, decoder)),
                     of_halves(encoder, decoder).vocab_size, WeightTraits<Weight>::precision,
                     kernels_of(encoder, decoder), executor),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)) {}

  bool has_encoder() const override { return encoder_.has_value(); }
  bool has_decoder() const override { return decoder_.has_value(); }
  Index feature_dim() const override { return 0; }
  Matrix::ConstMap codes() const override { return {nullptr, 0, 0}; }
  /// Returns this half. ArgumentError if it is missing.
  [[nodiscard]] const DvaeEncoder<Weight>& encoder() const { return half(encoder_, "encoder"); }
  /// Returns this half. ArgumentError if it is missing.
  [[nodiscard]] const DvaeDecoder<Weight>& decoder() const { return half(decoder_, "decoder"); }

  void forward(const ConstRows& x, Workspace& workspace, Rows out) const override {
    require_shapes(x, out);
    encoder().forward(x, preprocessing().input_size, workspace, out);
  }

  using AnyTokenizer::decode;
  Image decode(const Tokens& tokens, Workspace& workspace) const override {
    return decoder().decode(tokens.values, tokens.grid, workspace);
  }

  using AnyTokenizer::decode_features;
  [[noreturn]] void decode_features(const Tokens&, Workspace&, Rows) const override {
    throw ArgumentError(
        "Tokenizer: found DALL-E's tokenizer, whose decoder gives pixels (decode), wanted BEiT v2's, whose decoder "
        "gives the teacher's features");
  }

 private:
  static Size patch(const DvaeConfig& config) { return {config.stride(), config.stride()}; }

  /// The configuration that both halves share.
  static const DvaeConfig& of_halves(const std::optional<DvaeEncoder<Weight>>& encoder,
                                     const std::optional<DvaeDecoder<Weight>>& decoder) {
    if (!encoder && !decoder) throw ConfigError("tokenizer: found neither an encoder nor a decoder, wanted one");
    if (!encoder || !decoder) return encoder ? encoder->config() : decoder->config();
    const DvaeConfig &in = encoder->config(), &out = decoder->config();
    if (in.vocab_size == out.vocab_size && in.group_count == out.group_count) return in;
    throw ConfigError(
        detail::concat({"tokenizer: found an encoder of ", in.vocab_size, " tokens and ", in.group_count,
                        " groups, and a decoder of ", out.vocab_size, " and ", out.group_count, ", wanted the same"}));
  }

  /// The kernels of the halves, or of none.
  static const Kernels& kernels_of(const std::optional<DvaeEncoder<Weight>>& encoder,
                                   const std::optional<DvaeDecoder<Weight>>& decoder) {
    if (encoder) return encoder->kernels();
    return decoder ? decoder->kernels() : default_kernels();
  }

  template <typename Half>
  static const Half& half(const std::optional<Half>& half, const char* name) {
    if (!half) throw ArgumentError(detail::concat({"Tokenizer: found no ", name, ", wanted one in the file"}));
    return *half;
  }

  std::optional<DvaeEncoder<Weight>> encoder_;
  std::optional<DvaeDecoder<Weight>> decoder_;
};

}  // namespace beit::inline BEIT_ABI
