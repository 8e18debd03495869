#include "model.hpp"

#include <cstdint>
#include <utility>

#include "demo_model.hpp"

namespace programs {

namespace {

template <typename Weight>
class ModelOf final : public Model {
 public:
  explicit ModelOf(beit::Beit<Weight> model) : model_(std::move(model)) {}

  const beit::Config& config() const override { return model_.config(); }
  void forward(const beit::ConstRows& x, beit::Workspace& workspace, beit::Rows out, bool pre_logits) const override {
    model_.forward(x, workspace, out, pre_logits);
  }
  void forward_features(const beit::ConstRows& x, beit::Workspace& workspace, beit::Rows out) const override {
    model_.forward_features(x, workspace, out);
  }
  beit::Intermediates forward_intermediates(const beit::ConstRows& x, const beit::IntermediatesOptions& options,
                                            beit::Workspace& workspace) const override {
    return model_.forward_intermediates(x, options, workspace);
  }
  std::vector<beit::Matrix> forward_attention(const beit::ConstRows& x, const std::vector<beit::Index>& indices,
                                              beit::Workspace& workspace) const override {
    return model_.forward_attention(x, indices, workspace);
  }

 private:
  beit::Beit<Weight> model_;
};

template <typename Weight>
std::unique_ptr<const Model> load(const std::string& path, const beit::Executor& executor,
                                  const beit::LoadOptions& options) {
  return std::make_unique<ModelOf<Weight>>(path.empty()
                                               ? beit::load<Weight>(demo_model(), "embedded model", executor, options)
                                               : beit::load<Weight>(path, options, executor));
}

struct Choice {
  beit::Precision precision;
  std::unique_ptr<const Model> (*load)(const std::string&, const beit::Executor&, const beit::LoadOptions&);
};

constexpr Choice choices[] = {{beit::Precision::float32, load<float>},
                              {beit::Precision::float_fast, load<beit::FloatFast>},
                              {beit::Precision::bfloat16, load<Eigen::bfloat16>},
                              {beit::Precision::int8, load<std::int8_t>}};

}  // namespace

std::vector<std::string> precision_names() {
  std::vector<std::string> names;
  for (const Choice& choice : choices) names.emplace_back(beit::precision_name(choice.precision));
  return names;
}

std::unique_ptr<const Model> load_model(const std::string& path, std::string_view precision,
                                        const beit::Executor& executor, beit::Size image_size) {
  for (const Choice& choice : choices) {
    if (precision == beit::precision_name(choice.precision))
      return choice.load(path, executor, {.image_size = image_size});
  }
  throw beit::ArgumentError("found the precision '" + std::string(precision) + "', wanted one of precision_names()");
}

std::string_view kernels_name() { return beit::isa_name(beit::kernel_table().isa); }

}  // namespace programs
