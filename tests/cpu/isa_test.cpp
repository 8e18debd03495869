#include <gtest/gtest.h>

#include <beit/cpu/isa.hpp>
#include <cstdlib>
#include <string>

namespace {

TEST(Isa, NamesGoBothWays) {
  for (const beit::Isa isa : {beit::Isa::portable, beit::Isa::avx2, beit::Isa::avx512, beit::Isa::avx512_vnni,
                              beit::Isa::avx512_bf16, beit::Isa::amx}) {
    EXPECT_EQ(beit::isa_from_name(beit::isa_name(isa)), isa);
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
#else
  EXPECT_EQ(beit::best_isa(), beit::Isa::portable);
#endif
}

TEST(Isa, EnvironmentLowersTheChoiceAndNeverRaisesIt) {
  const char* before = std::getenv("BEIT_ISA");
  const std::string saved = before == nullptr ? "" : before;
  setenv("BEIT_ISA", "portable", 1);
  EXPECT_EQ(beit::select_isa(), beit::Isa::portable);
  setenv("BEIT_ISA", "avx512", 1);
  EXPECT_EQ(beit::select_isa(), std::min(beit::best_isa(), beit::Isa::avx512));
  setenv("BEIT_ISA", "sse9", 1);
  EXPECT_THROW(beit::select_isa(), beit::ConfigError);
  setenv("BEIT_ISA", "", 1);
  EXPECT_EQ(beit::select_isa(), beit::best_isa());
  setenv("BEIT_ISA", saved.c_str(), 1);
}

TEST(Isa, UnknownNameSaysWhatThereIs) {
  try {
    beit::isa_from_name("avx9");
    FAIL() << "took an unknown level";
  } catch (const beit::ConfigError& error) {
    EXPECT_EQ(std::string(error.what()),
              "BEIT_ISA: found 'avx9', wanted one of portable, avx2, avx512, avx512_vnni, avx512_bf16, amx");
  }
}

}  // namespace
