// timm's names of parameters in files that have others.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>

namespace beit::inline BEIT_ABI {

/// The parameters of a file under timm's names, whatever it calls them:
///   timm's own, or Microsoft's, under a prefix: `model.`, `module.`, `backbone.` ...;
///   those of Hugging Face's transformers (BeitModel, Data2VecVisionModel and what stands on them), where the three
///   matrices of queries, keys and values are read as the one that timm has. Nothing is copied.
/// The reader must outlive it. Messages say the file's names.
class TimmNames final : public WeightSource {
 public:
  BEIT_COLD explicit TimmNames(const WeightReader& file) : file_(&file) {
    constexpr std::string_view token = "cls_token", embeddings = "embeddings.";
    const std::vector<std::string> found = file.names_ending_in(token);
    if (found.size() != 1)
      return;  // none, or several models: names as they are, and the one that is missing will say so
    prefix_ = found[0].substr(0, found[0].size() - token.size());
    if (!prefix_.empty() && !prefix_.ends_with('.')) prefix_.clear();
    hugging_face_ = prefix_ == embeddings || prefix_.ends_with(detail::concat({".", embeddings}));
    if (hugging_face_) prefix_.resize(prefix_.size() - embeddings.size());
    // Heads stand beside the trunk, not in it: "beit.pooler.layernorm", "classifier".
    if (prefix_.size() > 1) outer_ = prefix_.substr(0, prefix_.rfind('.', prefix_.size() - 2) + 1);
  }

  /// Whether the names are those of transformers.
  bool hugging_face() const { return hugging_face_; }
  /// What stands before the names of the trunk: "", "beit." or "module.".
  const std::string& prefix() const { return prefix_; }
  /// What stands before the names of heads: "" or "module.".
  const std::string& outer_prefix() const { return outer_; }

  bool has(const std::string& name) const override {
    // A norm of the head's own, beside the trunk's, where there are both.
    if (hugging_face_ && name.starts_with(head_norm)) {
      return prefix_ != outer_ && file_->has(detail::concat({prefix_, "layernorm.weight"})) &&
             file_->has(file_name(name));
    }
    if (!is_joined(name)) return file_->has(file_name(name));
    return file_->has(part_name(name, 0));
  }

  std::vector<Index> shape(const std::string& name) const override {
    if (!is_joined(name)) return file_->shape(file_name(name));
    std::vector<Index> shape = file_->shape(part_name(name, 0));
    if (!shape.empty()) shape[0] *= static_cast<Index>(parts.size());
    return shape;
  }

  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    if (!is_joined(name)) return file_->read(file_name(name), shape, begin, count, out);
    std::vector<Index> part_shape(shape.begin(), shape.end());
    part_shape[0] /= static_cast<Index>(parts.size());
    Index size = 1;
    for (const Index n : part_shape) size *= n;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Index start = static_cast<Index>(i) * size;
      const Index from = std::max(begin, start), to = std::min(begin + count, start + size);
      if (count == 0) file_->read(part_name(name, i), part_shape, 0, 0, nullptr);  // only the shape is asked about
      if (from < to) file_->read(part_name(name, i), part_shape, from - start, to - from, out + (from - begin));
    }
  }

 private:
  static constexpr std::array<std::string_view, 3> parts{"query", "key", "value"};
  static constexpr std::string_view joined = ".attn.qkv.weight", block = "blocks.", head_norm = "lm_norm.";

  bool is_joined(const std::string& name) const { return hugging_face_ && name.ends_with(joined); }

  /// "blocks.0.attn.qkv.weight" -> "beit.encoder.layer.0.attention.attention.query.weight".
  BEIT_COLD std::string part_name(const std::string& name, std::size_t part) const {
    const std::string_view index(name.data() + block.size(), name.size() - block.size() - joined.size());
    return detail::concat({prefix_, "encoder.layer.", index, ".attention.attention.", parts[part], ".weight"});
  }

  BEIT_COLD std::string file_name(const std::string& name) const {
    // Where the trunk has no such parameter and there is one beside it, that one.
    const auto in_or_beside = [&](std::string_view start, std::string_view end) {
      std::string in = detail::concat({prefix_, start, end}), beside = detail::concat({outer_, start, end});
      return !file_->has(in) && file_->has(beside) ? beside : in;
    };
    if (!hugging_face_) return in_or_beside(name, "");
    using Pair = std::pair<std::string_view, std::string_view>;
    static constexpr std::array<Pair, 10> in_block{{
        {"norm1.", "layernorm_before."},
        {"norm2.", "layernorm_after."},
        {"gamma_1", "lambda_1"},
        {"gamma_2", "lambda_2"},
        {"mlp.fc1.", "intermediate.dense."},
        {"mlp.fc2.", "output.dense."},
        {"attn.proj.", "attention.output.dense."},
        {"attn.q_bias", "attention.attention.query.bias"},
        {"attn.v_bias", "attention.attention.value.bias"},
        {"attn.relative_position_bias_table",
         "attention.attention.relative_position_bias.relative_position_bias_table"},
    }};
    static constexpr std::array<Pair, 6> in_trunk{{
        {"cls_token", "embeddings.cls_token"},
        {"mask_token", "embeddings.mask_token"},
        {"pos_embed", "embeddings.position_embeddings"},
        {"patch_embed.proj.", "embeddings.patch_embeddings.projection."},
        {"rel_pos_bias.", "encoder.relative_position_bias."},
        {"fc_norm.", "pooler.layernorm."},
    }};
    // `text`, behind `start`, with its beginning in transformers' words.
    const auto renamed = [&](std::string_view start, std::string_view text, std::span<const Pair> names) {
      for (const auto& [timm, other] : names) {
        if (text.starts_with(timm)) return detail::concat({prefix_, start, other, text.substr(timm.size())});
      }
      return detail::concat({prefix_, start, text});
    };
    const std::string_view whole = name;
    if (whole.starts_with(block)) {
      const std::size_t dot = whole.find('.', block.size());
      if (dot != std::string_view::npos) {
        const std::string_view index = whole.substr(block.size(), dot + 1 - block.size());
        return renamed(detail::concat({"encoder.layer.", index}), whole.substr(dot + 1), in_block);
      }
    }
    if (whole.starts_with("head.")) return detail::concat({outer_, "classifier.", whole.substr(5)});
    if (whole.starts_with("lm_head.")) return detail::concat({outer_, whole});
    if (whole.starts_with(head_norm)) return detail::concat({outer_, "layernorm.", whole.substr(head_norm.size())});
    if (whole.starts_with("norm.")) return in_or_beside("layernorm.", whole.substr(5));
    return renamed("", whole, in_trunk);
  }

  const WeightReader* file_;
  std::string prefix_;  // of the trunk: "beit."
  std::string outer_;   // of what stands beside it
  bool hugging_face_ = false;
};

}  // namespace beit::inline BEIT_ABI
