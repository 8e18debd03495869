// One half of BEiT v2's tokenizer: a trunk and what it computes of each patch.
#pragma once

#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/tanh_mlp.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The configuration of a VqTransformer: a trunk with `fc_norm`, and the numbers that come out per patch.
struct VqTransformerConfig : TrunkConfig {
  Index outputs = 32;  ///< Numbers per patch: D of a code from the encoder, F of the teacher's from the decoder.

  /// Throws ConfigError unless a model can be made of this.
  BEIT_COLD void check() const {
    TrunkConfig::check();
    if (!use_fc_norm) throw ConfigError("config: found use_fc_norm false, wanted true, as BEiT v2's tokenizer has it");
    if (outputs < 1) throw ConfigError(detail::concat({"config: found outputs ", outputs, ", wanted at least 1"}));
  }
};

/// The encoder or the decoder of VQ-KD: a vision transformer whose patches' tokens, without the class token, each pass
/// fc_norm and two products with tanh between them. Source: unilm/beit2/modeling_vqkd.py. It is constant, like Beit;
/// Weight is the trunk's.
template <typename Weight>
class VqTransformer {
 public:
  /// Reads the parameters of the trunk and "fc_norm" from `trunk`, and those of the TanhMlp from `task`. WeightError if
  /// one is missing, mis-shaped or not finite; ConfigError if `config` describes no possible model.
  VqTransformer(VqTransformerConfig config, const WeightScope& trunk, const WeightScope& task,
                const Kernels& kernels = default_kernels())
      : config_(detail::checked(std::move(config))),
        trunk_(config_, trunk, kernels),
        fc_norm_(kernels, trunk.scope("fc_norm"), config_.embed_dim, config_.layer_norm_eps),
        task_(kernels, task, config_.embed_dim, config_.outputs) {}

  /// Its configuration.
  const VqTransformerConfig& config() const { return config_; }
  /// The kernels that it runs on.
  const Kernels& kernels() const { return trunk_.kernels(); }

  /// Computes x (B, in_chans*H*W), plane by plane -> out (B*h*w, outputs), a row per patch. It takes one image at a
  /// time, so that memory doesn't grow with B. ArgumentError for a wrong shape.
  void forward(const ConstRows& x, Workspace& workspace, Rows out) const {
    const Index patches = config_.grid().area();
    trunk_.require_input(x);
    require_shape(out, x.rows() * patches, config_.outputs, "VqTransformer: out");
    for (Index b = 0; b < x.rows(); ++b) {
      const Workspace::Part part(workspace, b, x.rows());
      Workspace::Frame frame(workspace);
      Rows tokens = frame.rows(1 + patches, config_.embed_dim);
      trunk_.forward(x.middleRows(b, 1), workspace, tokens);
      const Activations normed = task_.input(frame, patches);
      fc_norm_.forward(tokens.middleRows(1, patches), workspace, normed);
      task_.forward(normed, workspace, out.middleRows(b * patches, patches));
    }
  }

 private:
  VqTransformerConfig config_;
  Trunk<Weight> trunk_;
  LayerNorm fc_norm_;
  TanhMlp task_;
};

}  // namespace beit::inline BEIT_ABI
