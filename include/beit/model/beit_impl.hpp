// The definitions of beit.hpp.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/config.hpp>
#include <beit/model/intermediates.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

template <typename Weight>
Beit<Weight>::Beit(Config config, const WeightScope& weights, const Kernels& kernels)
    : config_(detail::checked(std::move(config))),
      trunk_(config_, weights, kernels),
      head_(kernels, weights, config_.embed_dim, config_.num_classes, config_.global_pool, config_.use_fc_norm,
            config_.layer_norm_eps) {}

template <typename Weight>
void Beit<Weight>::forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits) const {
  trunk_.require_input(x);
  require_shape(out, x.rows(), pre_logits ? config().embed_dim : num_outputs(), "forward: out");
  Workspace::Frame frame(workspace);
  Rows tokens = frame.rows(x.rows() * config().num_tokens(), config().embed_dim);
  forward_features(x, workspace, tokens);
  forward_head(tokens, workspace, out, pre_logits);
}

template <typename Weight>
Matrix Beit<Weight>::forward(const ConstRows& x) const {
  Workspace workspace;
  Matrix out(x.rows(), num_outputs());
  forward(x, workspace, out);
  return out;
}

template <typename Weight>
void Beit<Weight>::forward_features(const ConstRows& x, Workspace& workspace, Rows out) const {
  trunk_.forward(x, workspace, out);
}

template <typename Weight>
Matrix Beit<Weight>::forward_features(const ConstRows& x) const {
  trunk_.require_input(x);
  Workspace workspace;
  Matrix out(x.rows() * config().num_tokens(), config().embed_dim);
  forward_features(x, workspace, out);
  return out;
}

template <typename Weight>
void Beit<Weight>::forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits) const {
  const Index batch = tokens.rows() / config().num_tokens();
  if (tokens.rows() % config().num_tokens() != 0 || tokens.cols() != config().embed_dim) {
    throw ArgumentError(
        detail::concat({"forward_head: tokens: found shape ", shape_text(tokens.rows(), tokens.cols()),
                        ", wanted a multiple of ", config().num_tokens(), " rows of ", config().embed_dim}));
  }
  require_shape(out, batch, pre_logits ? config().embed_dim : num_outputs(), "forward_head: out");
  if (batch == 0) return;
  if (pre_logits) {
    head_.pre_logits(tokens, workspace, out);
  } else {
    head_.forward(tokens, workspace, out);
  }
}

template <typename Weight>
Matrix Beit<Weight>::forward_head(const ConstRows& tokens, bool pre_logits) const {
  Workspace workspace;
  Matrix out(tokens.rows() / config().num_tokens(), pre_logits ? config().embed_dim : num_outputs());
  forward_head(tokens, workspace, out, pre_logits);
  return out;
}

template <typename Weight>
Intermediates Beit<Weight>::forward_intermediates(const ConstRows& x, const IntermediatesOptions& options) const {
  Workspace workspace;
  return forward_intermediates(x, options, workspace);
}

template <typename Weight>
Intermediates Beit<Weight>::forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                                  Workspace& workspace) const {
  return detail::forward_intermediates(trunk_, x, options, workspace);
}

template <typename Weight>
void Beit<Weight>::forward_intermediates(const ConstRows& x, const IntermediatesOptions& options, Workspace& workspace,
                                         Rows features, std::span<Rows> intermediates,
                                         std::span<Rows> prefix_tokens) const {
  detail::forward_intermediates(trunk_, x, options, workspace, features, intermediates, prefix_tokens);
}

template <typename Weight>
std::vector<Matrix> Beit<Weight>::forward_attention(const ConstRows& x, const std::vector<Index>& indices) const {
  Workspace workspace;
  return forward_attention(x, indices, workspace);
}

template <typename Weight>
std::vector<Matrix> Beit<Weight>::forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                                    Workspace& workspace) const {
  return detail::forward_attention(trunk_, x, indices, workspace);
}

}  // namespace beit::inline BEIT_ABI
