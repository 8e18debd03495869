// Against timm/models/beit.py and vision_transformer.py.
#include <gtest/gtest.h>

#include <beit/model/presets.hpp>

namespace beit_test::presets_test {

TEST(Preset, HasTimmsArchitectures) {
  EXPECT_EQ(beit::preset_names().size(), 9u);
  const beit::Config base = beit::preset("beit_base_patch16_224.in22k_ft_in22k_in1k");
  EXPECT_EQ(base.num_tokens(), 197);
  EXPECT_EQ(base.embed_dim, 768);
  const beit::Config large = beit::preset("beit_large_patch16_512");
  EXPECT_EQ(large.num_tokens(), 1025);
  EXPECT_EQ(large.depth, 24);
  EXPECT_EQ(large.preprocessing.crop_pct, 1.0);
  const beit::Config third = beit::preset("beit3_large_patch16_224.in22k_ft_in1k");
  EXPECT_TRUE(third.scale_attn_norm && third.scale_mlp_norm && third.use_abs_pos_emb);
  EXPECT_FALSE(third.layer_scale || third.use_rel_pos_bias);
  EXPECT_EQ(third.qkv_bias, beit::QkvBias::all);
  EXPECT_EQ(third.layer_norm_eps, 1e-5f);
  EXPECT_THROW((void)beit::preset("beit_tiny"), beit::ConfigError);
}

}  // namespace beit_test::presets_test
