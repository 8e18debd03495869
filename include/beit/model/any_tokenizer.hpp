// Turns images into visual tokens: the calls of every tokenizer of BEiT's pre-training.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
#include <beit/cpu/isa.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/model/preprocess.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The visual tokens of an image.
struct Tokens {
  Size grid;                         ///< The rows and columns of tokens.
  std::vector<std::int32_t> values;  ///< (grid.area(),), row by row; each is 0 to vocab_size - 1.
};

/// A tokenizer of either kind, DALL-E's or BEiT v2's, and of any weight type, with all calls but those that give its
/// parts. It is constant: many threads may call it at the same time, each with its own workspace. Results have the same
/// bits for every batch size and number of threads. Calls without a workspace run on the tokenizer's executor, in
/// memory that they allocate.
class AnyTokenizer {
 public:
  AnyTokenizer(const AnyTokenizer&) = delete;
  AnyTokenizer& operator=(const AnyTokenizer&) = delete;
  virtual ~AnyTokenizer() = default;

  /// The preprocessing of the encoder's images.
  [[nodiscard]] const Preprocessing& preprocessing() const { return preprocessing_; }
  /// The preprocessing that gives the encoder the same crop of an image as a model's preprocessing, at the tokenizer's
  /// size and by its own filter, mean and deviation, as in BEiT's pre-training. The order of the resize's passes is the
  /// model's.
  [[nodiscard]] Preprocessing preprocessing_for(const Preprocessing& model) const {
    Preprocessing result = preprocessing_;
    result.crop_pct = model.crop_pct;
    result.crop_mode = model.crop_mode;
    result.pass_order = model.pass_order;
    result.resize_to = detail::scaled_resize_to(model, preprocessing_.input_size);
    return result;
  }
  /// V, the number of different tokens.
  [[nodiscard]] Index vocab_size() const { return vocab_size_; }
  /// The grid of tokens of an image.
  [[nodiscard]] Size grid() const {
    return {preprocessing_.input_size.height / patch_.height, preprocessing_.input_size.width / patch_.width};
  }
  /// The precision in which its weights are stored and multiplied.
  [[nodiscard]] Precision precision() const { return precision_; }
  /// The level of the kernels that it runs on.
  [[nodiscard]] Isa isa() const { return kernels_->isa; }
  /// The threads that calls without a workspace run on.
  [[nodiscard]] const Executor& executor() const { return executor_; }
  [[nodiscard]] virtual bool has_encoder() const = 0;  ///< Whether encode works.
  /// Whether decode works, which makes an image. Only DALL-E's decoder does.
  [[nodiscard]] virtual bool has_decoder() const = 0;
  /// F, the number of features per token that decode_features computes; 0 where it doesn't work. Only BEiT v2's decoder
  /// does.
  [[nodiscard]] virtual Index feature_dim() const = 0;
  /// The codes of the tokens, (V, D): the more alike two tokens are, the nearer are their codes. BEiT v2's have unit
  /// length. DALL-E's tokens have none: (0, 0).
  [[nodiscard]] virtual Matrix::ConstMap codes() const = 0;

  /// Computes scores of tokens, the largest of which is the patch's token: x (B, H*W*3), as preprocessing() makes it,
  /// pixel by pixel (TensorLayout::channels_last) -> out (B*h*w, V), (h, w) = grid(). DALL-E's are logits; BEiT v2's
  /// are z c - |c|^2 / 2 for the unit vector z of the patch and each code c. ArgumentError for a wrong shape or without
  /// an encoder.
  virtual void forward(const ConstRows& x, Workspace& workspace, Rows out) const = 0;

  /// Encodes preprocessed images: x (B, H*W*3) as for forward -> out (B*h*w,). Among equal scores the lowest token
  /// wins. ArgumentError for a wrong shape, without an encoder, or where a score isn't finite.
  void encode(const ConstRows& x, Workspace& workspace, std::span<std::int32_t> out) const {
    const Index count = grid().area();
    if (static_cast<Index>(out.size()) != x.rows() * count) {
      throw ArgumentError(
          detail::concat({"Tokenizer: found room for ", out.size(), " tokens, wanted ", x.rows() * count}));
    }
    for (Index b = 0; b < x.rows(); ++b) {  // one image at a time, so that memory holds the scores of only one
      const Workspace::Part part(workspace, b, x.rows());
      Workspace::Frame frame(workspace);
      Rows scores = frame.rows(count, vocab_size());
      forward(x.middleRows(b, 1), workspace, scores);
      require_finite(scores, "Tokenizer: scores");
      workspace.executor().for_each(count, [&](Index i, Index) {
        const float* const row = scores.data() + i * vocab_size();
        out[static_cast<std::size_t>(b * count + i)] =
            static_cast<std::int32_t>(std::max_element(row, row + vocab_size()) - row);
      });
    }
  }

  /// Preprocesses and encodes images. Returns the tokens of each.
  template <ImageRange Images>
  [[nodiscard]] std::vector<Tokens> encode(const Images& images, Workspace& workspace) const {
    const Matrix x = preprocess(preprocessing_, images, workspace, TensorLayout::channels_last, *kernels_);
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

  /// Decodes any grid of tokens to an image. ArgumentError unless has_decoder(), and for an unknown token.
  [[nodiscard]] virtual Image decode(const Tokens& tokens, Workspace& workspace) const = 0;
  /// Decodes tokens, without a workspace.
  [[nodiscard]] Image decode(const Tokens& tokens) const {
    Workspace workspace(executor_);
    return decode(tokens, workspace);
  }

  /// Decodes the tokens of grid() to features like those of the model that taught the tokenizer: out (h*w, F), a row
  /// per token. ArgumentError if feature_dim() is 0, for another grid and for an unknown token.
  virtual void decode_features(const Tokens& tokens, Workspace& workspace, Rows out) const = 0;
  /// Decodes tokens to features (h*w, F), without a workspace.
  [[nodiscard]] Matrix decode_features(const Tokens& tokens) const {
    Workspace workspace(executor_);
    Matrix out(grid().area(), feature_dim());
    decode_features(tokens, workspace, out);
    return out;
  }

 protected:
  /// For tokens of `patch` pixels. `kernels` must outlive it. ConfigError where the images' size is no multiple of
  /// `patch`.
  AnyTokenizer(Preprocessing preprocessing, Size patch, Index vocab_size, Precision precision, const Kernels& kernels,
               const Executor& executor)
      : preprocessing_(std::move(preprocessing)),
        patch_(patch),
        vocab_size_(vocab_size),
        precision_(precision),
        kernels_(&kernels),
        executor_(executor) {
    detail::require_valid(preprocessing_);
    const Size size = preprocessing_.input_size;
    if (size.height % patch.height == 0 && size.width % patch.width == 0) return;
    throw ConfigError(detail::concat(
        {"tokenizer: found image size ", detail::size_text(size), ", wanted multiples of ", detail::size_text(patch)}));
  }
  /// For a tokenizer that holds another one, whose properties it has.
  explicit AnyTokenizer(const AnyTokenizer* held)
      : AnyTokenizer(held->preprocessing_, held->patch_, held->vocab_size_, held->precision_, *held->kernels_,
                     held->executor_) {}
  /// Moves the base of a model.
  AnyTokenizer(AnyTokenizer&&) = default;
  /// Moves the base of a model.
  AnyTokenizer& operator=(AnyTokenizer&&) = default;

  /// ArgumentError unless these are the shapes of forward.
  void require_shapes(const ConstRows& x, const Rows& out) const {
    require_shape(x, x.rows(), 3 * preprocessing_.input_size.area(), "Tokenizer: x");
    require_shape(out, x.rows() * grid().area(), vocab_size_, "Tokenizer: out");
  }

 private:
  Preprocessing preprocessing_;
  Size patch_;
  Index vocab_size_;
  Precision precision_;
  const Kernels* kernels_;
  Executor executor_;
};

}  // namespace beit::inline BEIT_ABI
