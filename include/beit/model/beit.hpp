// The model: timm.models.beit.Beit.
#pragma once

#include <beit/core/compiled.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/any_beit.hpp>
#include <beit/model/config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/head.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// BEiT, with its weights packed for this processor. AnyBeit has its calls. It can be moved but not copied.
///
/// Weight determines the precision in which matrices are stored and multiplied (see Precision): float, FloatFast,
/// Eigen::bfloat16 or std::int8_t.
template <typename Weight>
class Beit final : public AnyBeit {
 public:
  /// Reads every parameter that `config` requires, under timm's names. The executor of `weights` becomes the model's;
  /// its pool and `kernels` must outlive the model. WeightError if a parameter is missing, mis-shaped or not finite;
  /// ConfigError if `config` describes no possible model.
  Beit(Config config, const WeightScope& weights, const Kernels& kernels = default_kernels());

 private:
  const AnyTrunk& trunk() const override { return trunk_; }
  void run_head(const ConstRows& tokens, Workspace& workspace, Rows out, HeadOutput output) const override;

  Trunk<Weight> trunk_;
  Head<typename WeightTraits<Weight>::BoundaryWeight> head_;
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/beit_impl.hpp>
#endif
