// The calls of a model of any weight type.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>
#include <beit/model/any_beit.hpp>
#include <beit/model/config.hpp>
#include <beit/model/intermediates.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

BEIT_COLD BEIT_INLINE AnyBeit::AnyBeit(Config config, Precision precision, const Executor& executor)
    : config_(detail::checked(std::move(config))), precision_(precision), executor_(executor) {}

BEIT_INLINE void AnyBeit::forward(const ConstRows& x, Workspace& workspace, Rows out, HeadOutput output) const {
  trunk().require_input(x);
  require_shape(out, x.rows(), num_outputs(output), "forward: out");
  Workspace::Frame frame(workspace);
  Rows tokens = frame.rows(x.rows() * config().num_tokens(), config().embed_dim);
  forward_features(x, workspace, tokens);
  forward_head(tokens, workspace, out, output);
}

BEIT_INLINE Matrix AnyBeit::forward(const ConstRows& x, HeadOutput output) const {
  Workspace workspace(executor_);
  Matrix out(x.rows(), num_outputs(output));
  forward(x, workspace, out, output);
  return out;
}

BEIT_INLINE void AnyBeit::forward_features(const ConstRows& x, Workspace& workspace, Rows out) const {
  trunk().forward(x, workspace, out);
}

BEIT_INLINE Matrix AnyBeit::forward_features(const ConstRows& x) const {
  trunk().require_input(x);
  Workspace workspace(executor_);
  Matrix out(x.rows() * config().num_tokens(), config().embed_dim);
  forward_features(x, workspace, out);
  return out;
}

BEIT_INLINE void AnyBeit::forward_head(const ConstRows& tokens, Workspace& workspace, Rows out,
                                       HeadOutput output) const {
  const Index batch = tokens.rows() / config().num_tokens();
  if (tokens.rows() % config().num_tokens() != 0 || tokens.cols() != config().embed_dim) {
    throw ArgumentError(
        detail::concat({"forward_head: tokens: found shape ", shape_text(tokens.rows(), tokens.cols()),
                        ", wanted a multiple of ", config().num_tokens(), " rows of ", config().embed_dim}));
  }
  require_shape(out, batch, num_outputs(output), "forward_head: out");
  if (batch > 0) run_head(tokens, workspace, out, output);
}

BEIT_INLINE Matrix AnyBeit::forward_head(const ConstRows& tokens, HeadOutput output) const {
  Workspace workspace(executor_);
  Matrix out(tokens.rows() / config().num_tokens(), num_outputs(output));
  forward_head(tokens, workspace, out, output);
  return out;
}

BEIT_INLINE Intermediates AnyBeit::forward_intermediates(const ConstRows& x,
                                                         const IntermediatesOptions& options) const {
  Workspace workspace(executor_);
  return forward_intermediates(x, options, workspace);
}

BEIT_INLINE Intermediates AnyBeit::forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                                         Workspace& workspace) const {
  return detail::forward_intermediates(trunk(), x, options, workspace);
}

BEIT_INLINE void AnyBeit::forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                                Workspace& workspace, Rows features, std::span<Rows> intermediates,
                                                std::span<Rows> prefix_tokens) const {
  detail::forward_intermediates(trunk(), x, options, workspace, features, intermediates, prefix_tokens);
}

BEIT_INLINE std::vector<Matrix> AnyBeit::forward_attention(const ConstRows& x,
                                                           const std::vector<Index>& indices) const {
  Workspace workspace(executor_);
  return forward_attention(x, indices, workspace);
}

BEIT_INLINE std::vector<Matrix> AnyBeit::forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                                           Workspace& workspace) const {
  return detail::forward_attention(trunk(), x, indices, workspace);
}

}  // namespace beit::inline BEIT_ABI
