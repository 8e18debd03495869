#include <beit/cpu/isa.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::isa_test {

using testing::StartsWith;
using testing::ThrowsMessage;

/// Changes BEIT_ISA, and restores it when destroyed.
class Environment {
 public:
  Environment() {
    if (const char* const before = std::getenv("BEIT_ISA")) saved_ = before;
  }
  ~Environment() { set_level(saved_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  void set_level(std::string_view name) const {
#if defined(_WIN32)
    _putenv_s("BEIT_ISA", std::string(name).c_str());
#else
    setenv("BEIT_ISA", std::string(name).c_str(), 1);
#endif
  }

 private:
  std::string saved_;
};

/// The names of this build's levels, as messages list them.
std::string known() {
  std::string names;
  for (const beit::Level& level : beit::levels) {
    if (level.compiled) names.append(names.empty() ? "" : ", ").append(level.name);
  }
  return names;
}

TEST(Isa, NamesGoBothWays) {
  for (const beit::Level& level : beit::levels) {
    EXPECT_EQ(beit::isa_name(level.isa), level.name);
    if (level.compiled) {
      EXPECT_EQ(beit::isa_from_name(level.name), level.isa);
    }
  }
}

TEST(Isa, EveryBuildHasTheLevelsOfOneFamily) {
  const auto compiled = [](beit::Isa isa) { return beit::levels[static_cast<std::size_t>(isa)].compiled; };
  EXPECT_TRUE(compiled(beit::Isa::portable));
  EXPECT_LE(compiled(beit::Isa::avx2) + compiled(beit::Isa::neon) + compiled(beit::Isa::simd128), 1);
  for (const beit::Level& level : beit::levels) {
    if (level.compiled) {
      EXPECT_TRUE(compiled(level.falls_back_to)) << level.name;
    }
    if (beit::has_isa(level.isa)) {
      EXPECT_TRUE(level.compiled) << level.name;
    }
  }
}

TEST(Isa, DetectionAgreesWithTheCompilersOwn) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  const beit::CpuFeatures features = beit::detect_cpu_features();
  EXPECT_EQ(features.avx2_fma, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(features.avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"));
  EXPECT_EQ(features.avx512_vnni, features.avx512 && __builtin_cpu_supports("avx512vnni"));
  EXPECT_EQ(features.avx512_bf16, features.avx512_vnni && __builtin_cpu_supports("avx512bf16"));
#if !defined(__clang__)  // clang 14 doesn't know it
  EXPECT_EQ(features.avx2_vnni, features.avx2_fma && __builtin_cpu_supports("avxvnni"));
#endif
#elif defined(__aarch64__) && defined(__GNUC__)
  EXPECT_TRUE(beit::detect_cpu_features().neon);
  EXPECT_TRUE(beit::has_isa(beit::Isa::neon));
#elif defined(__wasm_simd128__)
  EXPECT_EQ(beit::best_isa(), beit::Isa::simd128);
#else
  EXPECT_EQ(beit::best_isa(), beit::Isa::portable);
#endif
}

TEST(Isa, EnvironmentLowersTheChoiceAndNeverRaisesIt) {
  const Environment environment;
  environment.set_level("portable");
  EXPECT_EQ(beit::select_isa(), beit::Isa::portable);
  for (const beit::Level& level : beit::levels) {
    if (!level.compiled) continue;
    environment.set_level(level.name);
    const beit::Isa selected = beit::select_isa();
    EXPECT_TRUE(beit::has_isa(selected)) << level.name;
    EXPECT_LE(selected, level.isa);
    EXPECT_EQ(selected == level.isa, beit::has_isa(level.isa) && beit::permit_isa(level.isa)) << level.name;
  }
  environment.set_level("");
  EXPECT_TRUE(beit::has_isa(beit::select_isa()));
  if (beit::permit_isa(beit::best_isa())) {
    EXPECT_EQ(beit::select_isa(), beit::best_isa());
  }
}

TEST(Isa, EnvironmentIsRefusedIfItNamesNoLevelOfThisBuild) {
  const Environment environment;
  const auto expect_refused = [&](std::string_view name) {
    environment.set_level(name);
    EXPECT_THAT([] { beit::select_isa(); }, ThrowsMessage<beit::ConfigError>("BEIT_ISA: found '" + std::string(name) +
                                                                             "', wanted one of " + known()));
  };
  expect_refused("sse9");
  expect_refused("AVX2");
  for (const beit::Level& level : beit::levels) {
    if (!level.compiled) expect_refused(level.name);
  }
}

// These tests describe processors instead of asking this one. Those with AVX-512 but without AVX-VNNI skip the latter's
// level.
TEST(Isa, TheBestLevelIsOneThatTheProcessorHas) {
  using beit::Isa;
  using beit::detail::best_isa;
  const beit::CpuFeatures none, laptop{.avx2_fma = true, .avx2_vnni = true};
  const beit::CpuFeatures server{.avx2_fma = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true};
  EXPECT_EQ(best_isa(none, Isa::amx), Isa::portable);
  EXPECT_EQ(best_isa(laptop, Isa::amx), Isa::avx2_vnni);
  EXPECT_EQ(best_isa(laptop, Isa::avx512), Isa::avx2_vnni);
  EXPECT_EQ(best_isa(laptop, Isa::avx2), Isa::avx2);
  EXPECT_EQ(best_isa(server, Isa::amx), Isa::avx512_bf16);
  EXPECT_EQ(best_isa(server, Isa::avx2_vnni), Isa::avx2);
  EXPECT_EQ(best_isa(server, Isa::portable), Isa::portable);
  EXPECT_EQ(best_isa(server, Isa::avx512_vnni), Isa::avx512_vnni);
  const beit::CpuFeatures old{.neon = true}, telephone{.neon = true, .neon_dot = true};
  const beit::CpuFeatures cloud{.neon = true, .neon_dot = true, .neon_matrix = true};
  EXPECT_EQ(best_isa(old, Isa::neon_matrix), Isa::neon);
  EXPECT_EQ(best_isa(telephone, Isa::neon_matrix), Isa::neon_dot);
  EXPECT_EQ(best_isa(cloud, Isa::neon_matrix), Isa::neon_matrix);
  EXPECT_EQ(best_isa(cloud, Isa::neon_dot), Isa::neon_dot);
  EXPECT_EQ(best_isa(none, Isa::neon_matrix), Isa::portable);
  EXPECT_EQ(best_isa(none, Isa::simd128), Isa::portable);
  EXPECT_EQ(best_isa({.simd128 = true}, Isa::simd128), Isa::simd128);
}

TEST(Isa, NamesOfNoLevelOfThisBuildAreRefused) {
  const auto expect_refused = [](std::string_view name) {
    EXPECT_THAT(
        [&] { beit::isa_from_name(name); },
        ThrowsMessage<beit::ArgumentError>("level: found '" + std::string(name) + "', wanted one of " + known()));
  };
  expect_refused("avx9");
  expect_refused("");
  for (const beit::Level& level : beit::levels) {
    if (!level.compiled) expect_refused(level.name);
  }
  EXPECT_THAT(known(), StartsWith(BEIT_X86_KERNELS ? "portable, avx2, " : "portable"));
}

}  // namespace beit_test::isa_test
