// Which kernels a model is given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/kernels/kernels.hpp>

#include "../levels.hpp"

namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ChooseKernels, GivesTheLevelThatIsAskedFor) {
  for (const beit::Isa isa : testing_levels::available()) {
    EXPECT_EQ(beit::choose_kernels(isa).isa, isa);
    EXPECT_EQ(&beit::choose_kernels(isa), &beit::choose_kernels(isa));
  }
  EXPECT_EQ(&beit::choose_kernels({}), &beit::default_kernels());
  EXPECT_EQ(beit::default_kernels().isa, beit::select_isa());
}

TEST(ChooseKernels, RefusesWhatTheProcessorHasNot) {
  for (const beit::detail::Level& level : beit::detail::levels) {
    if (beit::has_isa(level.isa) && beit::permit_isa(level.isa)) continue;
    EXPECT_THAT([&] { beit::choose_kernels(level.isa); },
                ThrowsMessage<beit::ArgumentError>(HasSubstr("found level '" + std::string(level.name) +
                                                             "', wanted one of this processor's: portable")));
  }
}

}  // namespace
