#include <gtest/gtest.h>

#include <beit/cpu/isa.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace {

void set_level(const std::string& name) {
#if defined(_WIN32)
  _putenv_s("BEIT_ISA", name.c_str());
#else
  setenv("BEIT_ISA", name.c_str(), 1);
#endif
}

TEST(Isa, NamesGoBothWays) {
  int number = 0;
  for (const beit::detail::Level& level : beit::detail::levels) {
    EXPECT_EQ(static_cast<int>(level.isa), number++) << "the table isn't in the order of Isa";
    EXPECT_EQ(beit::isa_from_name(beit::isa_name(level.isa)), level.isa);
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
#if !defined(__clang__)  // whose version 14 doesn't know it
  EXPECT_EQ(features.avx2_vnni, features.avx2_fma && __builtin_cpu_supports("avxvnni"));
#endif
#elif defined(__aarch64__) && defined(__GNUC__)
  EXPECT_TRUE(beit::detect_cpu_features().neon);
  EXPECT_GE(beit::best_isa(), beit::Isa::neon);
#elif defined(__wasm_simd128__)
  EXPECT_EQ(beit::best_isa(), beit::Isa::simd128);
#else
  EXPECT_EQ(beit::best_isa(), beit::Isa::portable);
#endif
}

TEST(Isa, EnvironmentLowersTheChoiceAndNeverRaisesIt) {
  const char* before = std::getenv("BEIT_ISA");
  const std::string saved = before == nullptr ? "" : before;
  set_level("portable");
  EXPECT_EQ(beit::select_isa(), beit::Isa::portable);
  for (const auto& [isa, name, needs, permit] : beit::detail::levels) {
    set_level(std::string(name));
    const beit::Isa selected = beit::select_isa();
    EXPECT_TRUE(beit::has_isa(selected)) << name;
    EXPECT_LE(selected, isa);
    EXPECT_EQ(selected == isa, beit::has_isa(isa)) << name;
  }
  set_level("sse9");
  EXPECT_THROW(beit::select_isa(), beit::ConfigError);
  set_level("");
  EXPECT_EQ(beit::select_isa(), beit::best_isa());
  set_level(saved);
}

// Processors with AVX-512 and without AVX-VNNI pass over the level of the latter.
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
  EXPECT_EQ(best_isa(server, beit::highest_isa), Isa::avx512_bf16);
  const beit::CpuFeatures old{.neon = true}, telephone{.neon = true, .neon_dot = true};
  const beit::CpuFeatures cloud{.neon = true, .neon_dot = true, .neon_matrix = true};
  EXPECT_EQ(best_isa(old, beit::highest_isa), Isa::neon);
  EXPECT_EQ(best_isa(telephone, beit::highest_isa), Isa::neon_dot);
  EXPECT_EQ(best_isa(cloud, beit::highest_isa), Isa::neon_matrix);
  EXPECT_EQ(best_isa(cloud, Isa::neon_dot), Isa::neon_dot);
  EXPECT_EQ(best_isa(telephone, Isa::amx), Isa::portable);
  // What tests/stages look for.
  std::cout << "best level: " << beit::isa_name(beit::best_isa()) << "\nlevels: ";
  for (const beit::detail::Level& level : beit::detail::levels) {
    if (beit::has_isa(level.isa) && beit::permit_isa(level.isa)) std::cout << level.name << ',';
  }
  std::cout << '\n';
}

TEST(Isa, UnknownNameSaysWhatThereIs) {
  try {
    beit::isa_from_name("avx9");
    FAIL() << "took an unknown level";
  } catch (const beit::ConfigError& error) {
    EXPECT_EQ(std::string(error.what()),
              "BEIT_ISA: found 'avx9', wanted one of portable, avx2, avx2_vnni, avx512, avx512_vnni, avx512_bf16, amx, "
              "neon, neon_dot, neon_matrix, simd128");
  }
}

}  // namespace
