// The definitions of any_beit.hpp.
#pragma once

#include <cstdint>
#include <utility>

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/model/any_beit.hpp>
#include <beit/model/load.hpp>
#include <beit/nn/linear.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Calls make.template operator()<Weight>() for the weight type of a precision.
template <typename Make>
AnyBeit of_precision(Precision precision, const Make& make) {
  switch (precision) {
    case Precision::float_fast:
      return AnyBeit(make.template operator()<FloatFast>());
    case Precision::bfloat16:
      return AnyBeit(make.template operator()<Eigen::bfloat16>());
    case Precision::int8:
      return AnyBeit(make.template operator()<std::int8_t>());
    case Precision::float32:
      break;
  }
  return AnyBeit(make.template operator()<float>());
}

}  // namespace detail

BEIT_INLINE AnyBeit load_any(const Source& source, const LoadOptions& options) {
  LoadOptions rest = options;
  rest.precision.reset();
  return detail::of_precision(options.precision.value_or(Precision::float32),
                              [&]<typename Weight>() { return load<Weight>(source, rest); });
}

}  // namespace beit::inline BEIT_ABI
