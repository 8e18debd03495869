// Turns photographs into labels and embeddings.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/model/any_beit.hpp>
#include <beit/model/config.hpp>
#include <beit/model/preprocess.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A class that a model sees in an image.
struct Prediction {
  Index index = 0;    ///< The number of the class, 0 to K - 1.
  std::string label;  ///< The name of the class; "class 21" if the model has none for it.
  float score = 0;    ///< The probability of the class, 0 to 1; the logit for ScoreFunction::identity.
};

/// The name of a class, 0 to K - 1; "class 21" if `labels` are none or have an empty name for it.
[[nodiscard]] inline std::string label_of(const std::vector<std::string>& labels, Index index) {
  const auto i = static_cast<std::size_t>(index);
  return labels.empty() || labels[i].empty() ? detail::concat({"class ", index}) : labels[i];
}

namespace detail {

/// Returns the function that makes a score of one of these finite logits, the largest of which is `largest`.
inline auto score_of(std::span<const float> logits, double largest, ScoreFunction function) {
  double sum = 0;
  if (function == ScoreFunction::softmax) {
    for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  }
  return [=](float logit) {
    const double x = static_cast<double>(logit);
    switch (function) {
      case ScoreFunction::sigmoid:
        return static_cast<float>(1 / (1 + std::exp(-x)));
      case ScoreFunction::identity:
        return logit;
      case ScoreFunction::softmax:
        break;
    }
    return static_cast<float>(std::exp(x - largest) / sum);
  };
}

}  // namespace detail

/// Returns the `k` classes of one image's logits (K,) with the highest scores, best first (the lower index first among
/// equals). `labels` has K names or none. ArgumentError unless k >= 1 and the logits are finite; a k of more than K
/// means K.
[[nodiscard]] inline std::vector<Prediction> top_k(std::span<const float> logits, Index k,
                                                   const std::vector<std::string>& labels,
                                                   ScoreFunction function = ScoreFunction::softmax) {
  if (k < 1) throw ArgumentError(detail::concat({"top_k: found k = ", k, ", wanted at least 1"}));
  if (logits.empty()) throw ArgumentError("top_k: found no logits: the model has no classifier");
  if (!labels.empty() && labels.size() != logits.size()) {
    throw ArgumentError(
        detail::concat({"top_k: found ", labels.size(), " labels, wanted ", logits.size(), " or none"}));
  }
  for (const float x : logits) {
    if (!std::isfinite(x)) {
      throw ArgumentError(detail::concat({"top_k: found the logit ", std::to_string(x), ", wanted finite ones"}));
    }
  }
  k = std::min(k, static_cast<Index>(logits.size()));
  std::vector<Index> order(logits.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto below = [&](Index a, Index b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x < y : a > b;
  };
  std::make_heap(order.begin(), order.end(), below);
  const double largest = static_cast<double>(logits[static_cast<std::size_t>(order[0])]);
  const auto score_of = detail::score_of(logits, largest, function);
  std::vector<Prediction> best;
  for (Index i = 0; i < k; ++i) {
    const std::size_t index = static_cast<std::size_t>(order[0]);
    std::pop_heap(order.begin(), order.end() - i, below);
    best.push_back({static_cast<Index>(index), label_of(labels, static_cast<Index>(index)), score_of(logits[index])});
  }
  return best;
}

/// Returns the `k` classes of each image with the highest scores, which Config::score_function makes of the logits,
/// best first; x (B, 3*H*W) as preprocess makes it. ArgumentError if the model has no classifier.
[[nodiscard]] inline std::vector<std::vector<Prediction>> classify(const AnyBeit& model, const ConstRows& x, Index k,
                                                                   Workspace& workspace) {
  const Config& config = model.config();
  if (config.num_classes == 0) throw ArgumentError("classify: the model has no classifier (num_classes is 0)");
  Matrix logits(x.rows(), config.num_classes);
  model.forward(x, workspace, logits);
  std::vector<std::vector<Prediction>> results;
  for (Index b = 0; b < logits.rows(); ++b) {
    results.push_back(
        top_k({logits.row(b), static_cast<std::size_t>(logits.cols())}, k, config.labels, config.score_function));
  }
  return results;
}

/// Preprocesses and classifies images as one batch: memory grows with their number.
template <ImageRange Images>
[[nodiscard]] std::vector<std::vector<Prediction>> classify(const AnyBeit& model, const Images& images, Index k,
                                                            Workspace& workspace) {
  return classify(model, preprocess(model, images, workspace), k, workspace);
}
/// Does so without a workspace, on the model's executor.
template <ImageRange Images>
[[nodiscard]] std::vector<std::vector<Prediction>> classify(const AnyBeit& model, const Images& images, Index k = 5) {
  Workspace workspace(model.executor());
  return classify(model, images, k, workspace);
}

/// Returns the `k` most probable classes of one image, best first.
[[nodiscard]] inline std::vector<Prediction> classify(const AnyBeit& model, const ImageView& image, Index k,
                                                      Workspace& workspace) {
  return std::move(classify(model, std::span<const ImageView>(&image, 1), k, workspace).front());
}
/// Does so without a workspace, on the model's executor.
[[nodiscard]] inline std::vector<Prediction> classify(const AnyBeit& model, const ImageView& image, Index k = 5) {
  Workspace workspace(model.executor());
  return classify(model, image, k, workspace);
}

/// Returns the pooled features (B, C), which small classifiers are trained on: timm's forward_head(...,
/// pre_logits=True); x (B, 3*H*W) as preprocess makes it.
[[nodiscard]] inline Matrix embed(const AnyBeit& model, const ConstRows& x, Workspace& workspace) {
  Matrix out(x.rows(), model.config().embed_dim);
  model.forward(x, workspace, out, HeadOutput::pre_logits);
  return out;
}
/// Returns the pooled features (B, C) of images, which are one batch.
template <ImageRange Images>
[[nodiscard]] Matrix embed(const AnyBeit& model, const Images& images, Workspace& workspace) {
  return embed(model, preprocess(model, images, workspace), workspace);
}
/// Does so without a workspace, on the model's executor.
template <ImageRange Images>
[[nodiscard]] Matrix embed(const AnyBeit& model, const Images& images) {
  Workspace workspace(model.executor());
  return embed(model, images, workspace);
}

/// Returns the pooled features (C,) of one image.
[[nodiscard]] inline std::vector<float> embed(const AnyBeit& model, const ImageView& image, Workspace& workspace) {
  const Matrix row = embed(model, std::span<const ImageView>(&image, 1), workspace);
  return {row.data(), row.data() + row.size()};
}
/// Does so without a workspace, on the model's executor.
[[nodiscard]] inline std::vector<float> embed(const AnyBeit& model, const ImageView& image) {
  Workspace workspace(model.executor());
  return embed(model, image, workspace);
}

}  // namespace beit::inline BEIT_ABI
