// Which blocks' results a caller asks for, and how they lie in memory.
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
  nlc,   ///< (B*Gh*Gw, C): a row a patch.
  nchw,  ///< (B, C*Gh*Gw): a row an image, a map of Gh x Gw a channel.
};

/// The arguments of timm's forward_intermediates.
struct IntermediatesOptions {
  /// Blocks from 0; a negative index counts from the end. Empty: all.
  std::vector<Index> indices{};
  /// The last n blocks, timm's integer `indices`; 0 where `indices` chooses, as it must.
  Index last = 0;
  bool return_prefix_tokens = false;  ///< Also the class token of each.
  /// Pass each through the final `norm` (which a model with `fc_norm` doesn't have).
  bool norm = false;
  /// Leave the blocks after the last chosen one out: features are then of that block.
  bool stop_early = false;
  OutputFormat output_fmt = OutputFormat::nchw;  ///< How patches lie.
};

/// What forward_intermediates returns; the vectors have an entry a chosen block, in the order of the blocks.
struct Intermediates {
  Matrix features;                    ///< (B*N, C), as from forward_features
  std::vector<Matrix> intermediates;  ///< as OutputFormat says
  std::vector<Matrix> prefix_tokens;  ///< (B, C) each: the class token; empty unless asked for
};

namespace detail {

/// The last `count` of `depth` blocks.
inline std::vector<Index> last_blocks(Index count, Index depth) {
  std::vector<Index> blocks(static_cast<std::size_t>(count));
  std::iota(blocks.begin(), blocks.end(), depth - count);
  return blocks;
}

/// The blocks that `indices` name, each once and in their order; all of `depth` for none. ArgumentError, which begins
/// with `function`, where one names no block.
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

/// The blocks of forward_intermediates.
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

/// Appends the tokens (B*N, C) of a chosen block to `result`, N = `count`.
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
