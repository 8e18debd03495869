// Tests a program whose units all include beit but were compiled with different flags.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <beit/beit.hpp>

#include "own_stb.hpp"
#include "unit.hpp"

extern const Unit plain, unoptimised, unoptimised_asserting, fast_math;
#if defined(__x86_64__)
extern const Unit avx2, avx512;
#endif

namespace {

const std::string model_path = BEIT_TESTS_DIR "/golden/model_standard.safetensors";
const std::string image_path = BEIT_EXAMPLES_DIR "/data/chelsea.png";

/// The units that this processor can run.
std::vector<const Unit*> units() {
  std::vector<const Unit*> found{&plain, &unoptimised, &unoptimised_asserting, &fast_math};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&avx2);
  if (__builtin_cpu_supports("avx512f")) found.push_back(&avx512);
#endif
  return found;
}

TEST(Units, DecodeToTheSamePixels) {
  const beit::Image wanted = decode_by_own_stb(image_path.c_str());
  const std::vector<std::uint8_t> pixels(wanted.data(), wanted.data() + wanted.size());
  for (const Unit* unit : units()) {
    Pixels size{};
    EXPECT_EQ(unit->decode(image_path.c_str(), size), pixels) << unit->flags;
    EXPECT_EQ(size.height, wanted.height()) << unit->flags;
    EXPECT_EQ(size.width, wanted.width()) << unit->flags;
  }
}

TEST(Units, ComputeTheSameLogits) {
  const beit::Image image = beit::read_image(image_path);
  const Pixels pixels{image.data(), image.height(), image.width()};
  const std::vector<float> wanted = plain.logits(model_path.c_str(), pixels);
  ASSERT_FALSE(wanted.empty());
  // Optimisers may contract or reorder. The logits have a standard deviation of about 1, in single precision.
  for (const Unit* unit : units()) {
    const std::vector<float> found = unit->logits(model_path.c_str(), pixels);
    ASSERT_EQ(found.size(), wanted.size()) << unit->flags;
    for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 2e-5) << unit->flags << ' ' << i;
  }
}

TEST(Units, CatchEachOthersErrors) {
  for (const Unit* thrower : units()) {
    for (const Unit* catcher : units()) {
      EXPECT_TRUE(catcher->catches(thrower->fail)) << thrower->flags << " to " << catcher->flags;
    }
    EXPECT_THROW(thrower->fail(), beit::FileError) << thrower->flags;
  }
}

TEST(Units, PassMatricesAndImages) {
  beit::Matrix x(2, 3);
  x.map().setConstant(1.5f);
  const beit::Matrix y = doubled(std::move(x));
  EXPECT_EQ(y.rows(), 2);
  EXPECT_EQ(y.cols(), 3);
  EXPECT_TRUE((y.map().array() == 3.0f).all());
  EXPECT_THROW(decode_by_own_stb("no such image.png"), beit::ImageError);
}

}  // namespace
