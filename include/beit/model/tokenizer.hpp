// Turns images into visual tokens and back: DALL-E's discrete VAE as BEiT's pre-training uses it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/dvae_decoder.hpp>
#include <beit/model/dvae_encoder.hpp>
#include <beit/model/preprocess.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The visual tokens of an image.
struct Tokens {
  Size grid;                         ///< The rows and columns of tokens.
  std::vector<std::int32_t> values;  ///< (grid.area(),), row by row; each is 0 to vocab_size - 1.
};

/// The tokenizer of BEiT's pre-training: a discrete VAE with the preprocessing of its images. It is constant: many
/// threads may call it at the same time, each with its own workspace. Results have the same bits for every batch size
/// and number of threads.
template <typename Weight>
class Tokenizer {
 public:
  /// One half may be missing. ConfigError if the halves don't belong together.
  Tokenizer(Preprocessing preprocessing, std::optional<DvaeEncoder<Weight>> encoder,
            std::optional<DvaeDecoder<Weight>> decoder)
      : preprocessing_(std::move(preprocessing)), encoder_(std::move(encoder)), decoder_(std::move(decoder)) {
    detail::require_valid(preprocessing_);
    const std::string where = "tokenizer: found ";
    if (!encoder_ && !decoder_) throw ConfigError(where + "neither an encoder nor a decoder");
    const Size size = preprocessing_.input_size;
    const Index stride = config().stride();
    if (size.height % stride != 0 || size.width % stride != 0) {
      throw ConfigError(
          detail::concat({where, "image size ", detail::size_text(size), ", wanted multiples of ", stride}));
    }
    if (!encoder_ || !decoder_) return;
    const DvaeConfig &in = encoder_->config(), &out = decoder_->config();
    if (in.vocab_size == out.vocab_size && in.group_count == out.group_count) return;
    throw ConfigError(detail::concat({where, "an encoder of ", in.vocab_size, " tokens and ", in.group_count,
                                      " groups, and a decoder of ", out.vocab_size, " and ", out.group_count}));
  }

  /// The preprocessing of the encoder's images.
  const Preprocessing& preprocessing() const { return preprocessing_; }
  /// The preprocessing that gives the encoder the same crop of an image as a model's preprocessing, at the tokenizer's
  /// size and by its own filter, as in BEiT's pre-training.
  Preprocessing preprocessing_for(const Preprocessing& model) const {
    Preprocessing result = preprocessing_;
    result.crop_pct = model.crop_pct;
    result.crop_mode = model.crop_mode;
    if (model.resize_to != Size{}) {
      const Size own = result.input_size, other = model.input_size;
      result.resize_to = {model.resize_to.height * own.height / other.height,
                          model.resize_to.width * own.width / other.width};
    }
    return result;
  }
  /// V, the number of different tokens.
  Index vocab_size() const { return config().vocab_size; }
  /// The grid of tokens of an image.
  Size grid() const {
    return {preprocessing_.input_size.height / config().stride(), preprocessing_.input_size.width / config().stride()};
  }
  bool has_encoder() const { return encoder_.has_value(); }  ///< Whether encode works.
  bool has_decoder() const { return decoder_.has_value(); }  ///< Whether decode works.
  /// Returns this half. ArgumentError if it is missing.
  const DvaeEncoder<Weight>& encoder() const { return half(encoder_, "encoder"); }
  /// Returns this half. ArgumentError if it is missing.
  const DvaeDecoder<Weight>& decoder() const { return half(decoder_, "decoder"); }

  /// Encodes preprocessed images: x (B, H*W*3), values in [0, 1], pixel by pixel (TensorLayout::channels_last) -> out
  /// (B*h*w,), (h, w) = grid(). Among equal logits the lowest token wins. ArgumentError for a wrong shape or without an
  /// encoder.
  void encode(const ConstRows& x, Workspace& workspace, std::span<std::int32_t> out) const {
    const Index count = grid().area();
    if (static_cast<Index>(out.size()) != x.rows() * count) {
      throw ArgumentError(
          detail::concat({"Tokenizer: found room for ", out.size(), " tokens, wanted ", x.rows() * count}));
    }
    const DvaeEncoder<Weight>& encoder = this->encoder();
    for (Index b = 0; b < x.rows(); ++b) {  // one image at a time, so that memory holds the logits of only one
      Workspace::Frame frame(workspace);
      Rows logits = frame.rows(count, vocab_size());
      encoder.forward(x.middleRows(b, 1), preprocessing_.input_size, workspace, logits);
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
  /// Encodes one image, with a workspace of its own.
  [[nodiscard]] Tokens encode(const ImageView& image) const {
    Workspace workspace;
    return encode(std::span<const ImageView>(&image, 1), workspace).front();
  }

  /// Decodes any grid of tokens to an image. ArgumentError without a decoder or for an unknown token.
  [[nodiscard]] Image decode(const Tokens& tokens, Workspace& workspace) const {
    return decoder().decode(tokens.values, tokens.grid, workspace);
  }
  /// Decodes tokens, with a workspace of its own.
  [[nodiscard]] Image decode(const Tokens& tokens) const {
    Workspace workspace;
    return decode(tokens, workspace);
  }

 private:
  const DvaeConfig& config() const { return encoder_ ? encoder_->config() : decoder_->config(); }

  template <typename Half>
  static const Half& half(const std::optional<Half>& half, const char* name) {
    if (!half) throw ArgumentError(detail::concat({"Tokenizer: found no ", name, ", wanted one in the file"}));
    return *half;
  }

  Preprocessing preprocessing_;
  std::optional<DvaeEncoder<Weight>> encoder_;
  std::optional<DvaeDecoder<Weight>> decoder_;
};

}  // namespace beit::inline BEIT_ABI
