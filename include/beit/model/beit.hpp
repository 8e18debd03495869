// The model: timm.models.beit.Beit.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/intermediates.hpp>
#include <beit/nn/block.hpp>
#include <beit/nn/head.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/patch_embed.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// BEiT, its weights packed for this processor. Constant once made: many threads may call it at the same
/// time, each with a workspace of its own. Results are the same bits for every batch size and thread count.
///
/// Weight says what the matrices are stored and multiplied in (see Precision): float, FloatFast, Eigen::bfloat16 or
/// std::int8_t.
///
/// Images are rows: x (B, in_chans*H*W) holds for each image its channels one after the other, as
/// beit::preprocess writes them and as a contiguous torch tensor (B, C, H, W) lies in memory.
/// The calls that take a workspace and an output allocate nothing once the workspace has seen the batch size.
/// ArgumentError where a shape is wrong.
template <typename Weight>
class Beit {
 public:
  /// Reads every parameter that `config` calls for under timm's names.
  /// WeightError where one is missing, mis-shaped or not finite; ConfigError where `config` makes no model.
  Beit(Config config, const WeightScope& weights)
      : config_(check(std::move(config))),
        cls_token_(weights.get("cls_token", {1, 1, config_.embed_dim})),
        patch_embed_(weights.scope("patch_embed"), config_.image_size, config_.patch_size, config_.in_chans,
                     config_.embed_dim),
        head_(weights, config_.embed_dim, config_.num_classes, config_.global_pool, config_.use_fc_norm) {
    if (config_.use_abs_pos_emb) pos_embed_ = weights.get("pos_embed", {1, config_.num_tokens(), config_.embed_dim});
    if (!config_.use_fc_norm) norm_.emplace(weights.scope("norm"), config_.embed_dim);
    blocks_.reserve(static_cast<std::size_t>(config_.depth));
    for (Index i = 0; i < config_.depth; ++i) {
      const WeightScope block = weights.scope("blocks").scope(std::to_string(i));
      blocks_.emplace_back(block, config_.embed_dim, config_.num_heads, config_.mlp_hidden, config_.qkv_bias,
                           config_.layer_scale, read_bias(weights, block));
    }
  }

  const Config& config() const { return config_; }
  /// Columns of forward's result: K, or C without a classifier.
  Index num_outputs() const { return config_.num_classes > 0 ? config_.num_classes : config_.embed_dim; }

  /// Logits: x (B, in_chans*H*W) -> out (B, K), or (B, C) where num_classes is 0 or with pre_logits, as forward_head.
  void forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits = false) const {
    require_input(x);
    require_shape(out, x.rows(), pre_logits ? config_.embed_dim : num_outputs(), "forward: out");
    Workspace::Frame frame(workspace);
    Rows tokens = frame.rows(x.rows() * config_.num_tokens(), config_.embed_dim);
    forward_features(x, workspace, tokens);
    forward_head(tokens, workspace, out, pre_logits);
  }
  Matrix forward(const ConstRows& x) const {
    Workspace workspace;
    Matrix out(x.rows(), num_outputs());
    forward(x, workspace, out);
    return out;
  }

  /// Tokens after the last block, and after `norm` where the model has it: x -> out (B*N, C), image by image,
  /// the class token first.
  void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const {
    embed_tokens(x, workspace, out);
    for (const Block<Weight>& block : blocks_) block.forward(x.rows(), workspace, out);
    if (norm_) norm_->forward(out, workspace.executor(), out);
  }
  Matrix forward_features(const ConstRows& x) const {
    require_input(x);
    Workspace workspace;
    Matrix out(x.rows() * config_.num_tokens(), config_.embed_dim);
    forward_features(x, workspace, out);
    return out;
  }

  /// Pooling, `fc_norm` and, unless pre_logits, the classifier: tokens (B*N, C) -> out (B, K) or (B, C).
  void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits = false) const {
    const Index batch = tokens.rows() / config_.num_tokens();
    if (tokens.rows() % config_.num_tokens() != 0 || tokens.cols() != config_.embed_dim) {
      throw ArgumentError("forward_head: tokens: found shape " + shape_text(tokens.rows(), tokens.cols()) +
                          ", wanted a multiple of " + std::to_string(config_.num_tokens()) + " rows of " +
                          std::to_string(config_.embed_dim));
    }
    require_shape(out, batch, pre_logits ? config_.embed_dim : num_outputs(), "forward_head: out");
    if (batch == 0) return;
    if (pre_logits) {
      head_.pre_logits(tokens, workspace, out);
    } else {
      head_.forward(tokens, workspace, out);
    }
  }
  Matrix forward_head(const ConstRows& tokens, bool pre_logits = false) const {
    Workspace workspace;
    Matrix out(tokens.rows() / config_.num_tokens(), pre_logits ? config_.embed_dim : num_outputs());
    forward_head(tokens, workspace, out, pre_logits);
    return out;
  }

  /// The tokens after chosen blocks, besides the features. ArgumentError where an index names no block.
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options = {}) const {
    Workspace workspace;
    return forward_intermediates(x, options, workspace);
  }
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                      Workspace& workspace) const {
    require_input(x);
    const std::vector<Index> chosen = detail::chosen_blocks(options, config_.depth);
    Intermediates result;
    result.features = Matrix(x.rows() * config_.num_tokens(), config_.embed_dim);
    Rows tokens = result.features;
    embed_tokens(x, workspace, tokens);
    const Index end = options.stop_early ? chosen.back() + 1 : config_.depth;
    for (Index i = 0; i < end; ++i) {
      blocks_[static_cast<std::size_t>(i)].forward(x.rows(), workspace, tokens);
      if (std::binary_search(chosen.begin(), chosen.end(), i)) take(tokens, options, workspace, result);
    }
    if (norm_) norm_->forward(tokens, workspace.executor(), tokens);
    return result;
  }

  /// The attention weights of chosen blocks, softmax(q k^T / sqrt(D) + R): an entry a block, in the order of the
  /// blocks, each (B*A*N, N): row (b*A + head)*N + query holds what the query takes of each token, the class token
  /// first; its sum is 1. Blocks from 0, a negative index counts from the end; none chosen: all. Made beside the
  /// forward pass, of the same q and k. ArgumentError where an index names no block.
  std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices = {}) const {
    Workspace workspace;
    return forward_attention(x, indices, workspace);
  }
  std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                        Workspace& workspace) const {
    require_input(x);
    const std::vector<Index> chosen = detail::chosen_blocks(indices, config_.depth, "forward_attention");
    Matrix tokens(x.rows() * config_.num_tokens(), config_.embed_dim);
    Rows rows = tokens;
    embed_tokens(x, workspace, rows);
    std::vector<Matrix> weights;
    for (Index i = 0; i <= chosen.back(); ++i) {
      const Block<Weight>& block = blocks_[static_cast<std::size_t>(i)];
      if (std::binary_search(chosen.begin(), chosen.end(), i)) {
        weights.emplace_back(tokens.rows() * config_.num_heads, config_.num_tokens());
        block.forward_attention(tokens, x.rows(), workspace, weights.back());
      }
      if (i < chosen.back()) block.forward(x.rows(), workspace, tokens);
    }
    return weights;
  }

 private:
  void require_input(const ConstRows& x) const {
    require_shape(x, x.rows(), config_.in_chans * config_.image_size.area(), "forward: x");
  }

  static Config check(Config config) {
    const auto require = [](bool right, const std::string& message) {
      if (!right) throw ConfigError("config: " + message);
    };
    const auto size_text = [](Size size) { return std::to_string(size.height) + "x" + std::to_string(size.width); };
    const Size image = config.image_size, patch = config.patch_size;
    for (const auto& [name, value] :
         {std::pair("in_chans", config.in_chans), std::pair("embed_dim", config.embed_dim),
          std::pair("depth", config.depth), std::pair("num_heads", config.num_heads),
          std::pair("mlp_hidden", config.mlp_hidden), std::pair("patch_size", std::min(patch.height, patch.width)),
          std::pair("num_classes + 1", config.num_classes + 1)}) {
      require(value > 0, std::string("found ") + name + " " + std::to_string(value) + ", wanted at least 1");
    }
    require(config.embed_dim % config.num_heads == 0, "found embed_dim " + std::to_string(config.embed_dim) +
                                                          ", wanted a multiple of num_heads " +
                                                          std::to_string(config.num_heads));
    require(image.height >= patch.height && image.width >= patch.width && image.height % patch.height == 0 &&
                image.width % patch.width == 0,
            "found image size " + size_text(image) + ", wanted a multiple of the patch size " + size_text(patch));
    constexpr Index max_side = 65536;  // products of sizes can't overflow
    require(image.height <= max_side && image.width <= max_side,
            "found image size " + size_text(image) + ", wanted at most " + size_text({max_side, max_side}));
    require(config.preprocessing.input_size == image, "found input_size " + size_text(config.preprocessing.input_size) +
                                                          ", wanted the image size " + size_text(image));
    require(config.labels.empty() || static_cast<Index>(config.labels.size()) == config.num_classes,
            "found " + std::to_string(config.labels.size()) + " labels, wanted num_classes " +
                std::to_string(config.num_classes));
    detail::require_valid(config.preprocessing);
    return config;
  }

  RelativePositionBias read_bias(const WeightScope& weights, const WeightScope& block) const {
    if (!config_.use_rel_pos_bias && !config_.use_shared_rel_pos_bias) return {};
    RelativePositionBias bias(config_.grid());
    if (config_.use_rel_pos_bias) bias.add(block.scope("attn"), config_.num_heads);
    if (config_.use_shared_rel_pos_bias) bias.add(weights.scope("rel_pos_bias"), config_.num_heads);
    return bias;
  }

  /// Class token, patch embeddings and absolute positions: x (B, in_chans*H*W) -> tokens (B*N, C).
  void embed_tokens(const ConstRows& x, Workspace& workspace, Rows& tokens) const {
    const Index count = config_.num_tokens(), dim = config_.embed_dim;
    require_input(x);
    require_shape(tokens, x.rows() * count, dim, "forward_features: out");
    workspace.executor().for_each(x.rows(), [&](Index b, Index) {
      for (Index i = 0; i < count; ++i) {
        float* token = tokens.data() + (b * count + i) * tokens.outerStride();
        for (Index c = 0; c < dim; ++c) {
          token[c] = (i == 0 ? cls_token_[c] : 0.0f) + (config_.use_abs_pos_emb ? pos_embed_[i * dim + c] : 0.0f);
        }
      }
    });
    patch_embed_.forward_residual(x, workspace, tokens);
  }

  /// Appends the intermediate of the block that left `tokens` (B*N, C).
  void take(const ConstRows& tokens, const IntermediatesOptions& options, Workspace& workspace,
            Intermediates& result) const {
    const Index count = config_.num_tokens(), patches = count - 1, dim = config_.embed_dim;
    const Index batch = tokens.rows() / count;
    Workspace::Frame frame(workspace);
    Rows normed = frame.rows(tokens.rows(), dim);
    if (options.norm && norm_) {
      norm_->forward(tokens, workspace.executor(), normed);
    } else {
      normed = tokens;
    }
    Matrix out = options.output_fmt == OutputFormat::nlc ? Matrix(batch * patches, dim) : Matrix(batch, dim * patches);
    Matrix prefix(options.return_prefix_tokens ? batch : 0, dim);
    for (Index b = 0; b < batch; ++b) {
      const auto image = normed.middleRows(b * count + 1, patches);
      if (options.output_fmt == OutputFormat::nlc) {
        out.map().middleRows(b * patches, patches) = image;
      } else {
        Eigen::Map<RowMajorMatrix>(out.row(b), dim, patches) = image.transpose();
      }
      if (options.return_prefix_tokens) prefix.map().row(b) = normed.row(b * count);
    }
    result.intermediates.push_back(std::move(out));
    if (options.return_prefix_tokens) result.prefix_tokens.push_back(std::move(prefix));
  }

  Config config_;
  AlignedBuffer<float> cls_token_;  // (C,)
  AlignedBuffer<float> pos_embed_;  // (N, C), or empty
  PatchEmbed<typename WeightTraits<Weight>::Edge> patch_embed_;
  std::vector<Block<Weight>> blocks_;
  std::optional<LayerNorm> norm_;
  Head<typename WeightTraits<Weight>::Edge> head_;
};

}  // namespace beit::inline BEIT_ABI
