// Tokenizers as load_tokenizer makes them: DALL-E's or BEiT v2's.
#pragma once

#include <utility>
#include <variant>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/model/any_tokenizer.hpp>
#include <beit/model/dvae_tokenizer.hpp>
#include <beit/model/vq_tokenizer.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The tokenizer in a file, of either kind. AnyTokenizer has its calls; Weight is as in Beit. It can be moved, not
/// copied.
template <typename Weight>
class Tokenizer final : public AnyTokenizer {
 public:
  /// Holds DALL-E's.
  explicit Tokenizer(DvaeTokenizer<Weight> dvae) : Tokenizer(Held(std::move(dvae))) {}
  /// Holds BEiT v2's.
  explicit Tokenizer(VqTokenizer<Weight> vq) : Tokenizer(Held(std::move(vq))) {}

  /// Returns DALL-E's tokenizer, which has its encoder and decoder. ArgumentError if this is BEiT v2's.
  [[nodiscard]] const DvaeTokenizer<Weight>& dvae() const {
    if (const auto* const dvae = std::get_if<DvaeTokenizer<Weight>>(&held_)) return *dvae;
    throw ArgumentError("Tokenizer: found BEiT v2's, wanted DALL-E's");
  }
  /// Returns BEiT v2's tokenizer. ArgumentError if this is DALL-E's.
  [[nodiscard]] const VqTokenizer<Weight>& vq() const {
    if (const auto* const vq = std::get_if<VqTokenizer<Weight>>(&held_)) return *vq;
    throw ArgumentError("Tokenizer: found DALL-E's, wanted BEiT v2's");
  }

  bool has_encoder() const override { return any(held_).has_encoder(); }
  bool has_decoder() const override { return any(held_).has_decoder(); }
  Index feature_dim() const override { return any(held_).feature_dim(); }
  Matrix::ConstMap codes() const override { return any(held_).codes(); }
  void forward(const ConstRows& x, Workspace& workspace, Rows out) const override {
    any(held_).forward(x, workspace, out);
  }
  using AnyTokenizer::decode;
  Image decode(const Tokens& tokens, Workspace& workspace) const override {
    return any(held_).decode(tokens, workspace);
  }
  using AnyTokenizer::decode_features;
  void decode_features(const Tokens& tokens, Workspace& workspace, Rows out) const override {
    any(held_).decode_features(tokens, workspace, out);
  }

 private:
  using Held = std::variant<DvaeTokenizer<Weight>, VqTokenizer<Weight>>;

  explicit Tokenizer(Held held) : AnyTokenizer(&any(held)), held_(std::move(held)) {}

  static const AnyTokenizer& any(const Held& held) {
    return std::visit([](const AnyTokenizer& tokenizer) -> const AnyTokenizer& { return tokenizer; }, held);
  }

  Held held_;
};

}  // namespace beit::inline BEIT_ABI
