// Compares models at image sizes other than they were trained for with timm's Beit.set_input_size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/load.hpp>
#include <beit/model/resampled_weights.hpp>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "testing.hpp"

namespace beit_test::image_size_test {

using beit::Index;
using beit::Size;
using testing::HasSubstr;

struct SizeCase {
  const char* name;
  Size size;
};

std::string size_name(const SizeCase& c) {
  return std::string(c.name) + "_" + std::to_string(c.size.height) + "x" + std::to_string(c.size.width);
}

class GoldenSizes : public testing::TestWithParam<SizeCase> {};

TEST_P(GoldenSizes, AgreesWithTimm) {
  const SizeCase& c = GetParam();
  const auto file = beit::SafeTensors::open(golden("size_" + size_name(c) + ".safetensors"));
  const beit::WeightReader wanted(file);
  const std::filesystem::path path = golden(std::string("model_") + c.name + ".safetensors");
  const auto trained = beit::load<float>(path);
  const auto model = beit::load<float>(path, {.image_size = c.size});
  EXPECT_EQ(model.config().image_size, c.size);
  EXPECT_EQ(model.config().preprocessing.input_size, c.size);

  const Index batch = wanted.shape("input")[0];
  const beit::Matrix x = expected(wanted, "input", batch), logits = expected(wanted, "logits", batch),
                     out = model.forward(x);
  // Logits are of order 2; float rounding through 2 blocks, and in the positions.
  EXPECT_LE(largest_difference(out, logits), 1e-5);

  const auto weights = beit::SafeTensors::open(path);
  const beit::WeightReader reader(weights);
  const beit::ResampledWeights resampled(reader, trained.config().grid(), model.config().grid());
  int compared = 0;
  const auto compare = [&](const std::string& ours, const std::string& timm) {
    if (!wanted.has(timm)) return;
    const std::vector<Index> shape = wanted.shape(timm);
    EXPECT_EQ(resampled.shape(ours), shape);
    const auto a = resampled.get(ours, shape), b = wanted.get(timm, shape);
    double largest = 0;
    for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(a[i] - b[i])));
    EXPECT_LE(largest, 1e-6) << ours;
    ++compared;
  };
  compare("rel_pos_bias.relative_position_bias_table", "shared_table");
  compare("blocks.0.attn.relative_position_bias_table", "table.0");
  compare("blocks.1.attn.relative_position_bias_table", "table.1");
  compare("pos_embed", "positions");
  EXPECT_GT(compared, 0);
}

TEST(HuggingFaceSizes, AgreeWithTransformers) {
  const auto file = beit::SafeTensors::open(golden("hugging_face") / "sizes.safetensors");
  const beit::WeightReader wanted(file);
  for (const std::string name : {"classifier", "shared", "absolute"}) {
    for (const Size size : {Size{24, 24}, Size{20, 32}, Size{8, 12}}) {
      const std::string key = size_name({name.c_str(), size});
      const auto model = beit::load<float>(golden("hugging_face") / name, {.image_size = size});
      EXPECT_LE(
          largest_difference(model.forward(expected(wanted, key + ".input", 1)), expected(wanted, key + ".result", 1)),
          1e-5)
          << key;
    }
  }
  // transformers takes a table's rows for columns.
  for (const Size to : {Size{2, 3}, Size{4, 3}}) {
    const beit::ResampledWeights resampled(wanted, {2, 3}, to, beit::Resampling::transformers);
    const std::vector<Index> shape = resampled.shape("relative_position_bias_table");
    const auto table = resampled.get("relative_position_bias_table", shape);
    const auto rectangle = wanted.get(size_name({"table", to}), shape);
    for (Index i = 0; i < table.size(); ++i) EXPECT_NEAR(table[i], rectangle[i], 1e-6) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(, GoldenSizes,
                         testing::Values(SizeCase{"standard", {40, 40}}, SizeCase{"standard", {8, 12}},
                                         SizeCase{"shared", {24, 32}}, SizeCase{"shared", {4, 16}},
                                         SizeCase{"absolute", {24, 32}}, SizeCase{"absolute", {12, 8}},
                                         SizeCase{"both", {28, 16}}, SizeCase{"rectangle", {24, 24}}),
                         [](const auto& test) { return size_name(test.param); });

TEST(ImageSize, OfTheFileChangesNothing) {
  const auto path = golden("model_standard.safetensors");
  const auto a = beit::load<float>(path), b = beit::load<float>(path, {.image_size = {20, 20}});
  beit::Matrix x(1, 3 * 20 * 20);
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = static_cast<float>(i % 7) - 3;
  const beit::Matrix p = a.forward(x), q = b.forward(x);
  EXPECT_EQ(std::memcmp(p.data(), q.data(), static_cast<std::size_t>(p.size()) * sizeof(float)), 0);
}

TEST(ImageSize, ScalesWhatHuggingFaceResizesTo) {
  const auto plain = beit::load<float>(golden("hugging_face") / "classifier", {.image_size = {32, 24}});
  EXPECT_EQ(plain.config().preprocessing.resize_to, (Size{32, 24}));
  const auto cropped = beit::load<float>(golden("hugging_face") / "sharded", {.image_size = {32, 24}});
  EXPECT_EQ(cropped.config().preprocessing.resize_to, (Size{42, 29}));  // 21 and 19 for 16, rounded
}

TEST(ImageSize, ThatIsNoMultipleOfThePatchIsAnErrorThatNamesTheNearest) {
  const auto error = [](Size size) {
    return message_of<beit::ArgumentError>(
        [&] { return beit::load<float>(golden("model_standard.safetensors"), {.image_size = size}); });
  };
  EXPECT_THAT(error({21, 30}), HasSubstr("found image size 21x30, wanted a multiple of the patch size 4x4: the nearest "
                                         "are 20x28 and 24x32"));
  EXPECT_THAT(error({3, 8}), HasSubstr("the nearest is 4x8"));
  EXPECT_THAT(error({0, 8}), HasSubstr("the nearest is 4x8"));
  EXPECT_THAT(error({-4, 8}), HasSubstr("the nearest is 4x8"));
  EXPECT_THAT(error({1 << 20, 8}), HasSubstr("wanted at most 65536x65536"));
}

}  // namespace beit_test::image_size_test
