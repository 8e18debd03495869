// Compares whole models with timm in double precision, for every kind of BEiT that timm's class can make.
#include <gtest/gtest.h>

#include <string>

#include <beit/model/load.hpp>

#include "../levels.hpp"
#include "testing.hpp"

namespace beit_test::golden_test {

using beit::Index;
using beit::Matrix;

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, AgreesWithTimmInDoublePrecision) {
  const std::string name = std::get<0>(GetParam());
  const auto model =
      beit::load<float>(golden("model_" + name + ".safetensors"), beit::LoadOptions{.isa = std::get<1>(GetParam())});
  ASSERT_EQ(model.isa(), std::get<1>(GetParam()));
  const auto file = beit::SafeTensors::open(golden("model_" + name + ".expected.safetensors"));
  const beit::WeightReader reader(file);
  const Index batch = reader.shape("input")[0], dim = model.config().embed_dim;
  const Matrix x = expected(reader, "input", batch);
  constexpr double tolerance = 1e-5;  // values are of order 1; float rounding through 2 or 3 blocks

  const Matrix tokens = model.forward_features(x);
  EXPECT_LE(largest_difference(tokens, expected(reader, "features", batch * model.config().num_tokens())), tolerance);
  EXPECT_LE(largest_difference(model.forward_head(tokens, beit::HeadOutput::pre_logits),
                               expected(reader, "pre_logits", batch)),
            tolerance);
  EXPECT_LE(largest_difference(model.forward(x), expected(reader, "logits", batch)), tolerance);

  const beit::Intermediates maps = model.forward_intermediates(x);
  const beit::Intermediates rows =
      model.forward_intermediates(x, {.norm = true, .output_fmt = beit::OutputFormat::nlc});
  ASSERT_EQ(maps.intermediates.size(), static_cast<std::size_t>(model.config().depth));
  ASSERT_EQ(rows.intermediates.size(), static_cast<std::size_t>(model.config().depth));
  for (std::size_t i = 0; i < maps.intermediates.size(); ++i) {
    const std::string block = std::to_string(i);
    EXPECT_LE(largest_difference(maps.intermediates[i], expected(reader, "intermediates." + block, batch)), tolerance);
    EXPECT_LE(largest_difference(rows.intermediates[i], expected(reader, "intermediates_nlc." + block,
                                                                 batch * (model.config().num_tokens() - 1))),
              tolerance);
  }
  EXPECT_LE(largest_difference(maps.features, tokens), 0.0);
  EXPECT_EQ(maps.intermediates[0].cols(), dim * (model.config().num_tokens() - 1));
}

INSTANTIATE_TEST_SUITE_P(, Golden,
                         on_all("standard", "token", "shared", "absolute", "plain", "headless", "rectangle", "avg_norm",
                                "odd", "both", "bf16", "scale_mlp", "beit3", "beit3_odd", "beit3_scale", "beit3_bare"),
                         case_name);

}  // namespace beit_test::golden_test
