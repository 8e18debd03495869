// The definitions of beit.hpp.
#pragma once

#include <utility>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

template <typename Weight>
Beit<Weight>::Beit(Config config, const WeightScope& weights, const Kernels& kernels)
    : AnyBeit(std::move(config), WeightTraits<Weight>::precision, weights.executor()),
      trunk_(this->config(), weights, kernels),
      head_(kernels, weights, this->config().embed_dim, this->config().num_classes, this->config().global_pool,
            this->config().use_fc_norm, this->config().layer_norm_eps) {}

template <typename Weight>
void Beit<Weight>::run_head(const ConstRows& tokens, Workspace& workspace, Rows out, HeadOutput output) const {
  if (output == HeadOutput::pre_logits) {
    head_.pre_logits(tokens, workspace, out);
  } else {
    head_.forward(tokens, workspace, out);
  }
}

}  // namespace beit::inline BEIT_ABI
