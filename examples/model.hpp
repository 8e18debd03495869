// The model that the programs run: in any precision, and compiled once for all of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

/// A beit::Beit whose weight type is chosen at run time, as far as the programs call it.
class Model {
 public:
  virtual ~Model() = default;
  virtual const beit::Config& config() const = 0;
  virtual void forward(const beit::ConstRows& x, beit::Workspace& workspace, beit::Rows out,
                       bool pre_logits = false) const = 0;
  virtual void forward_features(const beit::ConstRows& x, beit::Workspace& workspace, beit::Rows out) const = 0;
  virtual beit::Intermediates forward_intermediates(const beit::ConstRows& x, const beit::IntermediatesOptions& options,
                                                    beit::Workspace& workspace) const = 0;
  virtual std::vector<beit::Matrix> forward_attention(const beit::ConstRows& x, const std::vector<beit::Index>& indices,
                                                      beit::Workspace& workspace) const = 0;
};

/// The names that load_model's precision may have: beit::precision_name of each.
std::vector<std::string> precision_names();

/// The model at `path`, or the embedded one where that is empty, loaded on the threads of `executor`. For images of
/// `image_size`; 0 x 0: of the size that it was trained for.
std::unique_ptr<const Model> load_model(const std::string& path, std::string_view precision,
                                        const beit::Executor& executor, beit::Size image_size = {});

/// The level of kernels that runs: "avx2".
std::string_view kernels_name();

}  // namespace programs
