// Turns images into visual tokens and back: DALL-E's discrete VAE as BEiT's pre-training uses it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/dvae_decoder.hpp>
#include <beit/model/dvae_encoder.hpp>
#include <beit/model/preprocess.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The visual tokens of an image.
struct Tokens {
  Size grid;                         ///< The rows and columns of tokens.
  std::vector<std::int32_t> values;  ///< (grid.area(),), row by row; each is 0 to vocab_size - 1.
};

/// A Tokenizer of any weight type, with all its calls but those that give its halves. It is constant: many threads may
/// call it at the same time, each with its own workspace. Results have the same bits for every batch size and number of
/// threads. Calls without a workspace run on the tokenizer's executor, in memory that they allocate.
class AnyTokenizer {
 public:
  AnyTokenizer(const AnyTokenizer&) = delete;
  AnyTokenizer& operator=(const AnyTokenizer&) = delete;
  virtual ~AnyTokenizer() = default;

  /// The preprocessing of the encoder's images.
  [[nodiscard]] const Preprocessing& preprocessing() const { return preprocessing_; }
  /// The preprocessing that gives the encoder the same crop of an image as a model's preprocessing, at the tokenizer's
  /// size and by its own filter, as in BEiT's pre-training. The order of the resize's passes is the model's.
  [[nodiscard]] Preprocessing preprocessing_for(const Preprocessing& model) const {
    Preprocessing result = preprocessing_;
    result.crop_pct = model.crop_pct;
    result.crop_mode = model.crop_mode;
    result.pass_order = model.pass_order;
    if (model.resize_to != Size{}) {
      const Size own = result.input_size, other = model.input_size;
      result.resize_to = {model.resize_to.height * own.height / other.height,
                          model.resize_to.width * own.width / other.width};
    }
    return result;
  }
  /// V, the number of different tokens.
  [[nodiscard]] Index vocab_size() const { return vocab_size_; }
  /// The grid of tokens of an image.
  [[nodiscard]] Size grid() const {
    return {preprocessing_.input_size.height / stride_, preprocessing_.input_size.width / stride_};
  }
  /// The precision in which its weights are stored and multiplied.
  [[nodiscard]] Precision precision() const { return precision_; }
  /// The threads that calls without a workspace run on.
  [[nodiscard]] const Executor& executor() const { return executor_; }
  [[nodiscard]] virtual bool has_encoder() const = 0;  ///< Whether encode works.
  [[nodiscard]] virtual bool has_decoder() const = 0;  ///< Whether decode works.

  /// Encodes preprocessed images: x (B, H*W*3), values in [0, 1], pixel by pixel (TensorLayout::channels_last) -> out
  /// (B*h*w,), (h, w) = grid(). Among equal logits the lowest token wins. ArgumentError for a wrong shape or without an
  /// encoder.
  void encode(const ConstRows& x, Workspace& workspace, std::span<std::int32_t> out) const {
    const Index count = grid().area();
    if (static_cast<Index>(out.size()) != x.rows() * count) {
      throw ArgumentError(
          detail::concat({"Tokenizer: found room for ", out.size(), " tokens, wanted ", x.rows() * count}));
    }
    for (Index b = 0; b < x.rows(); ++b) {  // one image at a time, so that memory holds the logits of only one
      Workspace::Frame frame(workspace);
      Rows logits = frame.rows(count, vocab_size());
      run_encoder(x.middleRows(b, 1), workspace, logits);
      workspace.executor().for_each(count, [&](Index i, Index) {
        const float* const row = logits.data() + i * vocab_size();
        out[static_cast<std::size_t>(b * count + i)] =
            static_cast<std::int32_t>(std::max_element(row, row + vocab_size()) - row);
      });
    }
  }

  /// Preprocesses and encodes images. Returns the tokens of each.
  template <ImageRange Images>
  [[nodiscard]] std::vector<Tokens> encode(const Images& images, Workspace& workspace) const {
    const Matrix x = preprocess(preprocessing_, images, workspace, TensorLayout::channels_last);
    const std::size_t count = static_cast<std::size_t>(grid().area());
    std::vector<std::int32_t> values(static_cast<std::size_t>(x.rows()) * count);
    encode(x, workspace, values);
    std::vector<Tokens> tokens;
    for (auto begin = values.begin(); begin != values.end(); begin += static_cast<std::ptrdiff_t>(count)) {
      tokens.push_back({grid(), {begin, begin + static_cast<std::ptrdiff_t>(count)}});
    }
    return tokens;
  }
  /// Encodes one image, without a workspace.
  [[nodiscard]] Tokens encode(const ImageView& image) const {
    Workspace workspace(executor_);
    return encode(std::span<const ImageView>(&image, 1), workspace).front();
  }

  /// Decodes any grid of tokens to an image. ArgumentError without a decoder or for an unknown token.
  [[nodiscard]] virtual Image decode(const Tokens& tokens, Workspace& workspace) const = 0;
  /// Decodes tokens, without a workspace.
  [[nodiscard]] Image decode(const Tokens& tokens) const {
    Workspace workspace(executor_);
    return decode(tokens, workspace);
  }

 protected:
  /// For tokens of `stride` x `stride` pixels. ConfigError where the images' size is no multiple of that.
  AnyTokenizer(Preprocessing preprocessing, Index stride, Index vocab_size, Precision precision,
               const Executor& executor)
      : preprocessing_(std::move(preprocessing)),
        stride_(stride),
        vocab_size_(vocab_size),
        precision_(precision),
        executor_(executor) {
    detail::require_valid(preprocessing_);
    const Size size = preprocessing_.input_size;
    if (size.height % stride == 0 && size.width % stride == 0) return;
    throw ConfigError(
        detail::concat({"tokenizer: found image size ", detail::size_text(size), ", wanted multiples of ", stride}));
  }
  /// Moves the base of a model.
  AnyTokenizer(AnyTokenizer&&) = default;
  /// Moves the base of a model.
  AnyTokenizer& operator=(AnyTokenizer&&) = default;

 private:
  /// Logits of the tokens of one preprocessed image: x (1, H*W*3) -> out (h*w, V).
  virtual void run_encoder(const ConstRows& x, Workspace& workspace, Rows out) const = 0;

  Preprocessing preprocessing_;
  Index stride_, vocab_size_;
  Precision precision_;
  Executor executor_;
};

/// The tokenizer of BEiT's pre-training: DALL-E's discrete VAE with the preprocessing of its images. AnyTokenizer has
/// its calls; Weight is as in Beit. It can be moved, not copied.
template <typename Weight>
class Tokenizer final : public AnyTokenizer {
 public:
  /// One half may be missing. Calls without a workspace run on `executor`, whose pool must outlive the tokenizer.
  /// ConfigError if the halves don't belong together.
  Tokenizer(Preprocessing preprocessing, std::optional<DvaeEncoder<Weight>> encoder,
            std::optional<DvaeDecoder<Weight>> decoder, const Executor& executor = default_thread_pool())
      : AnyTokenizer(std::move(preprocessing), of_halves(encoder, decoder).stride(),
                     of_halves(encoder, decoder).vocab_size, WeightTraits<Weight>::precision, executor),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)) {}

  bool has_encoder() const override { return encoder_.has_value(); }
  bool has_decoder() const override { return decoder_.has_value(); }
  /// Returns this half. ArgumentError if it is missing.
  [[nodiscard]] const DvaeEncoder<Weight>& encoder() const { return half(encoder_, "encoder"); }
  /// Returns this half. ArgumentError if it is missing.
  [[nodiscard]] const DvaeDecoder<Weight>& decoder() const { return half(decoder_, "decoder"); }

  using AnyTokenizer::decode;
  Image decode(const Tokens& tokens, Workspace& workspace) const override {
    return decoder().decode(tokens.values, tokens.grid, workspace);
  }

 private:
  void run_encoder(const ConstRows& x, Workspace& workspace, Rows out) const override {
    encoder().forward(x, preprocessing().input_size, workspace, out);
  }

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

  template <typename Half>
  static const Half& half(const std::optional<Half>& half, const char* name) {
    if (!half) throw ArgumentError(detail::concat({"Tokenizer: found no ", name, ", wanted one in the file"}));
    return *half;
  }

  std::optional<DvaeEncoder<Weight>> encoder_;
  std::optional<DvaeDecoder<Weight>> decoder_;
};

}  // namespace beit::inline BEIT_ABI
