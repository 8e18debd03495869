// The levels of kernels as parameters of tests.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>

namespace beit::inline BEIT_ABI {
inline void PrintTo(Isa isa, std::ostream* out) { *out << isa_name(isa); }  // what GoogleTest calls
}  // namespace beit::inline BEIT_ABI

namespace testing_levels {

/// All that this processor has.
inline std::vector<beit::Isa> available() {
  std::vector<beit::Isa> levels;
  for (const beit::detail::Level& level : beit::detail::levels) {
    if (beit::has_isa(level.isa) && beit::permit_isa(level.isa)) levels.push_back(level.isa);
  }
  return levels;
}

/// A name and a level.
using Case = std::tuple<const char*, beit::Isa>;

/// Tests of these names, each on every level.
template <typename... Names>
auto on_all(Names... names) {
  return testing::Combine(testing::Values(names...), testing::ValuesIn(available()));
}

/// "standard_avx2" or "avx2".
inline std::string case_name(const testing::TestParamInfo<Case>& test) {
  return std::string(std::get<0>(test.param)) + "_" + std::string(beit::isa_name(std::get<1>(test.param)));
}
inline std::string level_name(const testing::TestParamInfo<beit::Isa>& test) {
  return std::string(beit::isa_name(test.param));
}

}  // namespace testing_levels
