// The choice of blocks whose results a caller wants, and the layout of these.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// How forward_intermediates lays out an image's patch tokens.
enum class OutputFormat {
  nlc,   ///< (B*Gh*Gw, C): one row per patch.
  nchw,  ///< (B, C*Gh*Gw): one row per image, one map of Gh x Gw per channel.
};

/// The arguments of timm's forward_intermediates.
struct IntermediatesOptions {
  /// The blocks, from 0; a negative index counts from the end. Empty: all.
  std::vector<Index> indices{};
  /// If not 0, chooses the last n blocks, as timm's integer `indices` does; `indices` must then be empty.
  Index last = 0;
  bool return_prefix_tokens = false;  ///< Whether to return the class tokens, too.
  /// Whether to pass each result through the final `norm` (which a model with `fc_norm` lacks).
  bool norm = false;
  /// Whether to skip the blocks after the last chosen one: `features` are then that block's.
  bool stop_early = false;
  OutputFormat output_fmt = OutputFormat::nchw;  ///< The layout of patches.
};

/// The results of forward_intermediates; the vectors have one entry per chosen block, in the order of the blocks.
struct Intermediates {
  Matrix features;                    ///< (B*N, C), as from forward_features.
  std::vector<Matrix> intermediates;  ///< In the layout of OutputFormat.
  std::vector<Matrix> prefix_tokens;  ///< (B, C) each: the class tokens; empty unless wanted.
};

namespace detail {

/// The last `count` of `depth` blocks.
inline std::vector<Index> last_blocks(Index count, Index depth) {
  std::vector<Index> blocks(static_cast<std::size_t>(count));
  std::iota(blocks.begin(), blocks.end(), depth - count);
  return blocks;
}

/// The blocks that `indices` name, sorted and without repetitions; all blocks if it is empty. ArgumentError, whose
/// message begins with `function`, if one names no block.
inline std::vector<Index> chosen_blocks(std::vector<Index> indices, Index depth, const char* function) {
  if (indices.empty()) return last_blocks(depth, depth);
  for (Index& i : indices) {
    if (i < -depth || i >= depth) {
      throw ArgumentError(concat({function, ": found block ", i, ", wanted ", -depth, " to ", depth - 1}));
    }
    if (i < 0) i += depth;
  }
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

/// The blocks that the options of forward_intermediates choose.
inline std::vector<Index> chosen_blocks(const IntermediatesOptions& options, Index depth) {
  if (options.last == 0) return chosen_blocks(options.indices, depth, "forward_intermediates");
  if (!options.indices.empty()) {
    throw ArgumentError(
        concat({"forward_intermediates: found indices and last ", options.last, ", wanted one of the two"}));
  }
  if (options.last < 0 || options.last > depth) {
    throw ArgumentError(concat({"forward_intermediates: found last ", options.last, ", wanted 1 to ", depth}));
  }
  return last_blocks(options.last, depth);
}

/// Appends the tokens (B*N, C) of a chosen block to `result`; N is `count`.
inline void append_intermediate(const ConstRows& tokens, Index count, const IntermediatesOptions& options,
                                Intermediates& result) {
  const Index patches = count - 1, dim = tokens.cols(), batch = tokens.rows() / count;
  Matrix out = options.output_fmt == OutputFormat::nlc ? Matrix(batch * patches, dim) : Matrix(batch, dim * patches);
  Matrix prefix(options.return_prefix_tokens ? batch : 0, dim);
  for (Index b = 0; b < batch; ++b) {
    const auto image = tokens.middleRows(b * count + 1, patches);
    if (options.output_fmt == OutputFormat::nlc) {
      out.map().middleRows(b * patches, patches) = image;
    } else {
      Eigen::Map<RowMajorMatrix>(out.row(b), dim, patches) = image.transpose();
    }
    if (options.return_prefix_tokens) prefix.map().row(b) = tokens.row(b * count);
  }
  result.intermediates.push_back(std::move(out));
  if (options.return_prefix_tokens) result.prefix_tokens.push_back(std::move(prefix));
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
