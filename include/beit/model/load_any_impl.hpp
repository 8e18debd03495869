// How a model of any precision is loaded.
#pragma once

#include <cstdint>
#include <memory>

#include <beit/core/compiled.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/model/load.hpp>
#include <beit/model/load_any.hpp>
#include <beit/nn/linear.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The model that `load`, a function of a weight type, makes with the weight type of the options' precision.
template <typename Model, typename Load>
std::unique_ptr<const Model> load_in_precision(LoadOptions options, const Load& load) {
  const Precision precision = options.precision.value_or(Precision::float32);
  options.precision.reset();  // which the weight type says
  const auto in = [&]<typename Weight>() {
    auto model = load.template operator()<Weight>(options);
    return std::make_unique<const decltype(model)>(std::move(model));
  };
  switch (precision) {
    case Precision::float_fast:
      return in.template operator()<FloatFast>();
    case Precision::bfloat16:
      return in.template operator()<Eigen::bfloat16>();
    case Precision::int8:
      return in.template operator()<std::int8_t>();
    case Precision::float32:
      break;
  }
  return in.template operator()<float>();
}

}  // namespace detail

BEIT_INLINE std::unique_ptr<const AnyBeit> load_any(const Source& source, const LoadOptions& options) {
  return detail::load_in_precision<AnyBeit>(
      options, [&]<typename Weight>(const LoadOptions& rest) { return load<Weight>(source, rest); });
}

BEIT_INLINE std::unique_ptr<const AnyMaskedImageModel> load_any_masked_image_model(const Source& source,
                                                                                   const LoadOptions& options) {
  return detail::load_in_precision<AnyMaskedImageModel>(
      options, [&]<typename Weight>(const LoadOptions& rest) { return load_masked_image_model<Weight>(source, rest); });
}

BEIT_INLINE std::unique_ptr<const AnySegmentationModel> load_any_segmentation_model(const Source& source,
                                                                                    const LoadOptions& options) {
  return detail::load_in_precision<AnySegmentationModel>(
      options, [&]<typename Weight>(const LoadOptions& rest) { return load_segmentation_model<Weight>(source, rest); });
}

BEIT_INLINE std::unique_ptr<const AnyTokenizer> load_any_tokenizer(const Source& source, const LoadOptions& options) {
  return detail::load_in_precision<AnyTokenizer>(
      options, [&]<typename Weight>(const LoadOptions& rest) { return load_tokenizer<Weight>(source, rest); });
}

}  // namespace beit::inline BEIT_ABI
