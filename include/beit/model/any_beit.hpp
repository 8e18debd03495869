// A model whose precision is chosen at run time.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/load.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A Beit of any weight type, with the same calls, which Beit documents. It is constant and movable.
class AnyBeit {
 public:
  /// Takes over a model.
  template <typename Weight>
  explicit AnyBeit(Beit<Weight> model) : model_(std::make_unique<Of<Weight>>(std::move(model))) {}

  Precision precision() const { return model_->precision(); }  ///< The precision of its products.
  const Config& config() const { return model_->config(); }    ///< Its configuration.
  Isa isa() const { return model_->isa(); }                    ///< The level of its kernels.
  Index num_outputs() const { return model_->num_outputs(); }  ///< Calls Beit::num_outputs.

  /// Calls Beit::forward.
  void forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits = false) const {
    model_->forward(x, workspace, out, pre_logits);
  }
  /// Calls Beit::forward_features.
  void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const {
    model_->forward_features(x, workspace, out);
  }
  /// Calls Beit::forward_head.
  void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits = false) const {
    model_->forward_head(tokens, workspace, out, pre_logits);
  }
  /// Calls Beit::forward_intermediates.
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                      Workspace& workspace) const {
    return model_->forward_intermediates(x, options, workspace);
  }
  /// Calls Beit::forward_attention.
  std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                        Workspace& workspace) const {
    return model_->forward_attention(x, indices, workspace);
  }

 private:
  /// The calls, as virtual functions: a program that uses them doesn't instantiate the model in every precision, only
  /// one that loads a model does.
  class Interface {
   public:
    virtual ~Interface() = default;
    virtual Precision precision() const = 0;
    virtual const Config& config() const = 0;
    virtual Isa isa() const = 0;
    virtual Index num_outputs() const = 0;
    virtual void forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits) const = 0;
    virtual void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const = 0;
    virtual void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits) const = 0;
    virtual Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                                Workspace& workspace) const = 0;
    virtual std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                                  Workspace& workspace) const = 0;
  };

  template <typename Weight>
  class Of final : public Interface {
   public:
    explicit Of(Beit<Weight> model) : model_(std::move(model)) {}

    Precision precision() const override { return WeightTraits<Weight>::precision; }
    const Config& config() const override { return model_.config(); }
    Isa isa() const override { return model_.isa(); }
    Index num_outputs() const override { return model_.num_outputs(); }
    void forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits) const override {
      model_.forward(x, workspace, out, pre_logits);
    }
    void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const override {
      model_.forward_features(x, workspace, out);
    }
    void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits) const override {
      model_.forward_head(tokens, workspace, out, pre_logits);
    }
    Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                        Workspace& workspace) const override {
      return model_.forward_intermediates(x, options, workspace);
    }
    std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                          Workspace& workspace) const override {
      return model_.forward_attention(x, indices, workspace);
    }

   private:
    Beit<Weight> model_;
  };

  std::unique_ptr<const Interface> model_;
};

/// Loads a model in LoadOptions::precision, by default float32; otherwise it works like load. The call compiles the
/// model in all precisions, which takes four times as long.
[[nodiscard]] BEIT_INLINE AnyBeit load_any(const Source& source, const LoadOptions& options = {});

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/any_beit_impl.hpp>
#endif
