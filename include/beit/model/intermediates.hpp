// Computes the tokens and the attention weights of chosen blocks: timm's forward_intermediates, and its attention maps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/model/config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/block.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// How forward_intermediates lays out the patch tokens.
enum class OutputFormat {
  nlc,   ///< (B*Gh*Gw, C): one row per patch, image by image.
  nchw,  ///< (B, C*Gh*Gw): one row per image, with one map of Gh x Gw per channel.
};

/// The arguments of timm's forward_intermediates.
struct IntermediatesOptions {
  /// The blocks, counted from 0; a negative index counts from the end. Empty: all blocks.
  std::vector<Index> indices{};
  /// The number of last blocks to choose, as timm's integer `indices`; 0 if `indices` chooses.
  Index last = 0;
  bool return_prefix_tokens = false;  ///< Whether to return the class token after each block as well.
  /// Whether to apply the final `norm` to each (a model with `fc_norm` has none).
  bool norm = false;
  /// Whether to leave out the blocks after the last chosen one: the features are then that block's.
  bool stop_early = false;
  OutputFormat output_fmt = OutputFormat::nchw;  ///< The layout of the patch tokens.
};

/// The results of forward_intermediates. The vectors have one entry per chosen block, in the order of the blocks.
struct Intermediates {
  Matrix features;                    ///< (B*N, C), as from forward_features.
  std::vector<Matrix> intermediates;  ///< The patch tokens, in the layout of the options.
  std::vector<Matrix> prefix_tokens;  ///< The class tokens, each (B, C); empty unless asked for.
};

namespace detail {

/// The blocks that a caller chooses among a model's.
class BlockChoice {
 public:
  /// Chooses all of `depth` blocks if there are no indices. ArgumentError, which begins with `function`, if an index
  /// names no block. The indices must outlive the choice.
  BlockChoice(std::span<const Index> indices, Index depth, const char* function) : indices_(indices), depth_(depth) {
    for (const Index i : indices) {
      if (i >= -depth && i < depth) continue;
      throw ArgumentError(concat({function, ": found block ", i, ", wanted ", -depth, " to ", depth - 1}));
    }
  }
  /// Chooses the blocks of forward_intermediates.
  BlockChoice(const IntermediatesOptions& options, Index depth)
      : BlockChoice(options.indices, depth, "forward_intermediates") {
    if (options.last == 0) return;
    if (!indices_.empty()) {
      throw ArgumentError(
          concat({"forward_intermediates: found indices and last ", options.last, ", wanted one of the two"}));
    }
    if (options.last < 0 || options.last > depth) {
      throw ArgumentError(concat({"forward_intermediates: found last ", options.last, ", wanted 1 to ", depth}));
    }
    first_ = depth - options.last;
  }

  bool contains(Index block) const {
    if (indices_.empty()) return block >= first_;
    return std::any_of(indices_.begin(), indices_.end(), [&](Index i) { return i == block || i + depth_ == block; });
  }
  /// The number of chosen blocks; one that is named twice counts once.
  Index size() const {
    Index count = 0;
    for (Index i = 0; i < depth_; ++i) count += contains(i) ? 1 : 0;
    return count;
  }
  /// One more than the last chosen block.
  Index end() const {
    Index end = depth_;
    while (!contains(end - 1)) --end;
    return end;
  }

 private:
  std::span<const Index> indices_;
  Index depth_, first_ = 0;
};

/// The numbers of rows and columns of the patch tokens of `batch` images in forward_intermediates.
inline std::pair<Index, Index> intermediates_shape(const TrunkConfig& config, Index batch, OutputFormat format) {
  const Index patches = config.grid().area(), dim = config.embed_dim;
  return format == OutputFormat::nlc ? std::pair(batch * patches, dim) : std::pair(batch, dim * patches);
}

/// Copies the patch tokens among tokens (B*N, C) to `out`; N is `count`.
inline void copy_patches(const ConstRows& tokens, Index count, OutputFormat format, const Executor& executor,
                         Rows out) {
  const Index patches = count - 1;
  executor.for_each(tokens.rows() / count, [&](Index b, Index) {
    const auto image = tokens.middleRows(b * count + 1, patches);
    if (format == OutputFormat::nlc) {
      out.middleRows(b * patches, patches) = image;
    } else {
      float* const maps = out.data() + b * out.outerStride();
      Eigen::Map<RowMajorMatrix>(maps, tokens.cols(), patches) = image.transpose();
    }
  });
}

/// Implements AnyBeit::forward_intermediates with results in the caller's memory.
inline void forward_intermediates(const AnyTrunk& trunk, const ConstRows& x, const IntermediatesOptions& options,
                                  Workspace& workspace, Rows features, std::span<Rows> intermediates,
                                  std::span<Rows> prefix_tokens) {
  const TrunkConfig& config = trunk.config();
  const BlockChoice chosen(options, config.depth);
  const auto require_count = [&](std::span<Rows> found, Index wanted, const char* name) {
    if (static_cast<Index>(found.size()) == wanted) return;
    throw ArgumentError(concat({"forward_intermediates: found ", found.size(), " ", name, ", wanted ", wanted}));
  };
  require_count(intermediates, chosen.size(), "intermediates");
  require_count(prefix_tokens, options.return_prefix_tokens ? chosen.size() : 0, "prefix_tokens");
  const auto [rows, cols] = intermediates_shape(config, x.rows(), options.output_fmt);
  for (const Rows& out : intermediates) require_shape(out, rows, cols, "forward_intermediates: intermediates");
  for (const Rows& out : prefix_tokens) {
    require_shape(out, x.rows(), config.embed_dim, "forward_intermediates: prefix_tokens");
  }
  const Index end = options.stop_early ? chosen.end() : config.depth;
  trunk.embed(x, end, workspace, features);
  std::size_t next = 0;
  for (Index i = 0; i < end; ++i) {
    trunk.forward_block(i, end, x.rows(), workspace, features);
    if (!chosen.contains(i)) continue;
    Workspace::Frame frame(workspace);
    const bool norm = options.norm && trunk.has_norm();
    Rows tokens = norm ? frame.rows(features.rows(), features.cols()) : features;
    if (norm) trunk.norm(features, workspace, tokens);
    copy_patches(tokens, config.num_tokens(), options.output_fmt, workspace.executor(), intermediates[next]);
    if (options.return_prefix_tokens) {
      for (Index b = 0; b < x.rows(); ++b) prefix_tokens[next].row(b) = tokens.row(b * config.num_tokens());
    }
    ++next;
  }
  trunk.norm(features, workspace, features);
}

/// Implements AnyBeit::forward_intermediates.
inline Intermediates forward_intermediates(const AnyTrunk& trunk, const ConstRows& x,
                                           const IntermediatesOptions& options, Workspace& workspace) {
  const TrunkConfig& config = trunk.config();
  const Index batch = x.rows(), count = BlockChoice(options, config.depth).size();
  const auto [rows, cols] = intermediates_shape(config, batch, options.output_fmt);
  Intermediates result{Matrix(batch * config.num_tokens(), config.embed_dim), {}, {}};
  for (Index i = 0; i < count; ++i) {
    result.intermediates.emplace_back(rows, cols);
    if (options.return_prefix_tokens) result.prefix_tokens.emplace_back(batch, config.embed_dim);
  }
  std::vector<Rows> intermediates(result.intermediates.begin(), result.intermediates.end());
  std::vector<Rows> prefix_tokens(result.prefix_tokens.begin(), result.prefix_tokens.end());
  forward_intermediates(trunk, x, options, workspace, result.features, intermediates, prefix_tokens);
  return result;
}

/// Implements AnyBeit::forward_attention.
inline std::vector<Matrix> forward_attention(const AnyTrunk& trunk, const ConstRows& x, std::span<const Index> indices,
                                             Workspace& workspace) {
  const TrunkConfig& config = trunk.config();
  const BlockChoice chosen(indices, config.depth, "forward_attention");
  Matrix tokens(x.rows() * config.num_tokens(), config.embed_dim);
  const Index last = chosen.end() - 1;
  trunk.embed(x, last, workspace, tokens);
  std::vector<Matrix> weights;
  for (Index i = 0; i <= last; ++i) {
    if (chosen.contains(i)) {
      weights.emplace_back(tokens.rows() * config.num_heads, config.num_tokens());
      trunk.block_attention(i, x.rows(), tokens, workspace, weights.back());
    }
    if (i < last) trunk.forward_block(i, last, x.rows(), workspace, tokens);
  }
  return weights;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
