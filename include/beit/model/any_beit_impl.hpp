// How a model of any precision is loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include <beit/core/compiled.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/version.hpp>
#include <beit/model/any_beit.hpp>
#include <beit/model/load.hpp>
#include <beit/nn/linear.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// make.template operator()<Weight>() for the weight type of a precision.
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

BEIT_INLINE AnyBeit load(const std::filesystem::path& path, Precision precision, const LoadOptions& options,
                         const Executor& executor) {
  return detail::of_precision(precision, [&]<typename Weight>() { return load<Weight>(path, options, executor); });
}
BEIT_INLINE AnyBeit load(std::span<const std::byte> bytes, std::string name, Precision precision,
                         const LoadOptions& options, const Executor& executor) {
  return detail::of_precision(
      precision, [&]<typename Weight>() { return load<Weight>(bytes, std::move(name), executor, options); });
}

}  // namespace beit::inline BEIT_ABI
