// Tests that models whose precision is chosen at run time are those of the weight types, to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <beit/model/load.hpp>
#include <beit/model/load_any.hpp>

#include "testing.hpp"

namespace beit_test::load_any_test {

using beit::Matrix;
using beit::Precision;

template <typename Weight>
void is_the_same(Precision precision) {
  const auto masked_path = golden("hugging_face") / "masked", tokenizer_path = golden("dvae_four.safetensors");
  const auto masked = beit::load_masked_image_model<Weight>(masked_path);
  const auto any_masked = beit::load_any_masked_image_model(masked_path, {.precision = precision});
  EXPECT_EQ(masked.precision(), precision);
  EXPECT_EQ(any_masked->precision(), precision);
  EXPECT_EQ(any_masked->isa(), masked.isa());
  EXPECT_EQ(any_masked->config().vocab_size, masked.config().vocab_size);
  const Matrix x(Eigen::MatrixXf::Random(2, 3 * masked.config().image_size.area()));
  std::vector<std::uint8_t> mask(2 * static_cast<std::size_t>(masked.config().grid().area()), 0);
  for (std::size_t i = 0; i < mask.size(); i += 3) mask[i] = 1;
  EXPECT_EQ(any_masked->forward(x, mask).map(), masked.forward(x, mask).map());
  EXPECT_EQ(any_masked->forward_features(x, mask).map(), masked.forward_features(x, mask).map());

  const auto segmentation_path = golden("segmentation") / "model";
  const auto segmentation = beit::load_segmentation_model<Weight>(segmentation_path);
  const auto any_segmentation = beit::load_any_segmentation_model(segmentation_path, {.precision = precision});
  EXPECT_EQ(segmentation.precision(), precision);
  EXPECT_EQ(any_segmentation->precision(), precision);
  EXPECT_EQ(any_segmentation->isa(), segmentation.isa());
  const Matrix of_segmentation(Eigen::MatrixXf::Random(1, 3 * segmentation.config().image_size.area()));
  EXPECT_EQ(any_segmentation->forward(of_segmentation).map(), segmentation.forward(of_segmentation).map());

  const auto tokenizer = beit::load_tokenizer<Weight>(tokenizer_path);
  const auto any_tokenizer = beit::load_any_tokenizer(tokenizer_path, {.precision = precision});
  EXPECT_EQ(any_tokenizer->precision(), precision);
  EXPECT_EQ(any_tokenizer->grid(), tokenizer.grid());
  EXPECT_EQ(any_tokenizer->vocab_size(), tokenizer.vocab_size());
  EXPECT_TRUE(any_tokenizer->has_encoder() && any_tokenizer->has_decoder());
  beit::Image image(32, 32);
  for (beit::Index i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(31 * i % 256);
  const beit::Tokens tokens = any_tokenizer->encode(image);
  EXPECT_EQ(tokens.values, tokenizer.encode(image).values);
  const beit::Image a = any_tokenizer->decode(tokens), b = tokenizer.decode(tokens);
  EXPECT_TRUE(std::equal(a.data(), a.data() + a.size(), b.data(), b.data() + b.size()));
}

TEST(LoadAny, OtherKindsAreThoseOfTheWeightType) {
  is_the_same<float>(Precision::float32);
  is_the_same<beit::FloatFast>(Precision::float_fast);
  is_the_same<Eigen::bfloat16>(Precision::bfloat16);
  is_the_same<std::int8_t>(Precision::int8);
}

TEST(LoadAny, IsFloatWithoutAPrecision) {
  EXPECT_EQ(beit::load_any(golden("model_plain.safetensors"))->precision(), Precision::float32);
}

}  // namespace beit_test::load_any_test
