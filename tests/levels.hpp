// The levels of kernels as parameters of tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/kernels.hpp>

namespace beit::inline BEIT_ABI {
inline void PrintTo(Isa isa, std::ostream* out) { *out << isa_name(isa); }  // called by GoogleTest
}  // namespace beit::inline BEIT_ABI

namespace beit_test {

/// The levels that this processor has, except those that BEIT_TESTED_LEVELS names ("portable,avx2"): under an emulator,
/// levels that were tested elsewhere are left out. The best level is always included.
inline std::vector<beit::Isa> available_levels() {
  const char* const tested = std::getenv("BEIT_TESTED_LEVELS");
  const std::string left_out = std::string(",").append(tested == nullptr ? "" : tested).append(",");
  std::vector<beit::Isa> levels;
  for (const beit::Level& level : beit::levels) {
    if (beit::has_isa(level.isa) && beit::permit_isa(level.isa)) levels.push_back(level.isa);
  }
  std::erase_if(levels, [&, best = levels.back()](beit::Isa isa) {
    const std::string name = std::string(",").append(beit::isa_name(isa)).append(",");
    return isa != best && left_out.find(name) != std::string::npos;
  });
  return levels;
}

/// The products and attention of a level in a precision that is known at run time.
inline const beit::kernels::PrecisionKernels& precision_kernels(beit::Isa isa, beit::Precision precision) {
  using beit::Precision;
  using beit::kernels::precision_kernels_of;
  switch (precision) {
    case Precision::float_fast:
      return precision_kernels_of<Precision::float_fast>(isa);
    case Precision::bfloat16:
      return precision_kernels_of<Precision::bfloat16>(isa);
    case Precision::int8:
      return precision_kernels_of<Precision::int8>(isa);
    case Precision::float32:
      break;
  }
  return precision_kernels_of<Precision::float32>(isa);
}

/// A name and a level.
using Case = std::tuple<const char*, beit::Isa>;

/// Tests of these names, each on every level.
template <typename... Names>
auto on_all(Names... names) {
  return testing::Combine(testing::Values(names...), testing::ValuesIn(available_levels()));
}

/// "standard_avx2" or "avx2".
inline std::string case_name(const testing::TestParamInfo<Case>& test) {
  return std::string(std::get<0>(test.param)) + "_" + std::string(beit::isa_name(std::get<1>(test.param)));
}
inline std::string level_name(const testing::TestParamInfo<beit::Isa>& test) {
  return std::string(beit::isa_name(test.param));
}

}  // namespace beit_test
