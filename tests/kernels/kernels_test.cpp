// Which kernels a model is given.
#include <beit/kernels/kernels.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../levels.hpp"

namespace beit_test::kernels_test {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(KernelsOf, HasATableForEveryLevelOfThisBuildAndNoOther) {
  for (const beit::Level& level : beit::levels) {
    if (level.compiled) {
      EXPECT_EQ(beit::kernels::kernels_of(level.isa).isa, level.isa);
      continue;
    }
    const std::string message = "kernels: found level '" + std::string(level.name) + "', which this build doesn't have";
    EXPECT_THAT([&] { beit::kernels::kernels_of(level.isa); }, ThrowsMessage<beit::ArgumentError>(message));
    EXPECT_THAT([&] { beit::kernels::precision_kernels_of<beit::Precision::float32>(level.isa); },
                ThrowsMessage<beit::ArgumentError>(message));
  }
}

TEST(ChooseKernels, GivesTheLevelThatIsAskedFor) {
  for (const beit::Isa isa : available_levels()) {
    EXPECT_EQ(beit::choose_kernels(isa).isa, isa);
    EXPECT_EQ(&beit::choose_kernels(isa), &beit::choose_kernels(isa));
  }
  EXPECT_EQ(&beit::choose_kernels({}), &beit::default_kernels());
  EXPECT_EQ(beit::default_kernels().isa, beit::select_isa());
}

TEST(ChooseKernels, RefusesWhatTheProcessorHasNot) {
  for (const beit::Level& level : beit::levels) {
    if (beit::has_isa(level.isa) && beit::permit_isa(level.isa)) continue;
    EXPECT_THAT([&] { beit::choose_kernels(level.isa); },
                ThrowsMessage<beit::ArgumentError>(HasSubstr("found level '" + std::string(level.name) +
                                                             "', wanted one of this processor's: portable")));
  }
}

}  // namespace beit_test::kernels_test
