// The options of load and its kin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <beit/model/load.hpp>

#include "testing.hpp"

namespace beit_test::load_options_test {

using beit::Index;
using beit::Size;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(LoadOptions, AGridIsASizeInPatchesOrTokens) {
  const auto path = golden("model_standard.safetensors");
  EXPECT_EQ(beit::load<float>(path, {.grid = {6, 7}}).config().image_size, (Size{24, 28}));
  const auto tokenizer = golden("dvae_four.safetensors");
  EXPECT_EQ(beit::load_tokenizer<float>(tokenizer, {.grid = {4, 1}}).preprocessing().input_size, (Size{32, 8}));
  EXPECT_EQ(beit::load_tokenizer<float>(tokenizer, {.image_size = {32, 8}}).grid(), (Size{4, 1}));
  for (const Size grid : {Size{0, 3}, Size{-1, 3}, Size{1 << 20, 3}}) {
    EXPECT_THAT([&] { return beit::load<float>(path, {.grid = grid}); },
                ThrowsMessage<beit::ArgumentError>(HasSubstr(", wanted 1x1 to 16384x16384")));
  }
  const beit::LoadOptions both{.image_size = {24, 24}, .grid = {6, 6}};
  const auto refused =
      ThrowsMessage<beit::ArgumentError>(HasSubstr(": found image_size 24x24 and grid 6x6, wanted one of the two"));
  EXPECT_THAT([&] { return beit::load<float>(path, both); }, refused);
  EXPECT_THAT([&] { return beit::load_tokenizer<float>(tokenizer, both); }, refused);
}

TEST(LoadOptions, ASizeOfATokenizerIsAMultipleOfItsTokens) {
  EXPECT_THAT(
      [] {
        return beit::load_tokenizer<float>(golden("dvae_four.safetensors"), {.image_size = {30, 32}});
      },
      ThrowsMessage<beit::ArgumentError>("load_tokenizer: found image size 30x32, wanted a multiple of the pixels per "
                                         "token 8x8: the nearest are 24x32 "
                                         "and 32x32"));
}

TEST(LoadOptions, LabelsReplaceThoseOfTheFile) {
  std::vector<std::string> labels;
  for (int i = 0; i < 10; ++i) labels.push_back("label " + std::to_string(i));
  const auto path = golden("model_standard.safetensors");
  EXPECT_EQ(beit::load<float>(path, {.labels = labels}).config().labels, labels);
  const std::string bytes = file_text(path);
  EXPECT_EQ(
      beit::load<float>(beit::MemoryFiles{.weights = as_bytes(bytes), .name = "m", .labels = "a"}, {.labels = labels})
          .config()
          .labels,
      labels)
      << "nor do labels in memory count";
  labels.pop_back();
  EXPECT_THAT([&] { return beit::load<float>(path, {.labels = labels}); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("load: labels: found 9 names, wanted 10")));
  EXPECT_THAT([&] { return beit::load<float>(path, {.features_only = true, .labels = labels}); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("labels: found 9 names, wanted none")));
}

TEST(LoadOptions, PassOrderReplacesThatOfThePreprocessing) {
  using beit::PassOrder;
  const auto path = golden("model_standard.safetensors");
  const auto order_with = [&](const beit::LoadOptions& options) {
    return beit::load<float>(path, options).config().preprocessing.pass_order;
  };
  EXPECT_EQ(order_with({}), PassOrder::pillow_13) << "files without the field follow Pillow 13";
  EXPECT_EQ(order_with({.pass_order = PassOrder::across_first}), PassOrder::across_first);
  beit::Preprocessing own{.input_size = {20, 20}};
  own.pass_order = PassOrder::across_first;
  EXPECT_EQ(order_with({.preprocessing = own}), PassOrder::across_first);
  EXPECT_EQ(order_with({.preprocessing = own, .pass_order = PassOrder::pillow_13}), PassOrder::pillow_13);
  const auto tokenizer = beit::load_tokenizer<float>(golden("dvae_four.safetensors"),
                                                     {.grid = {1, 1}, .pass_order = PassOrder::across_first});
  EXPECT_EQ(tokenizer.preprocessing().pass_order, PassOrder::across_first);
  EXPECT_EQ(tokenizer.preprocessing_for({}).pass_order, PassOrder::pillow_13) << "the model's";
}

TEST(LoadOptions, PreprocessingReplacesThatOfTheFile) {
  const beit::Preprocessing wanted{.input_size = {24, 20},
                                   .interpolation = beit::Interpolation::bilinear,
                                   .crop_pct = 0.8,
                                   .std = {0.25f, 0.5f, 0.75f}};
  const auto path = golden("model_standard.safetensors");
  const auto model = beit::load<float>(path, {.image_size = {24, 20}, .preprocessing = wanted});
  EXPECT_EQ(model.config().preprocessing.interpolation, wanted.interpolation);
  EXPECT_EQ(model.config().preprocessing.crop_pct, wanted.crop_pct);
  EXPECT_EQ(model.config().preprocessing.std, wanted.std);
  EXPECT_THAT(
      [&] { return beit::load<float>(path, {.preprocessing = wanted}); },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("input_size of 24x20, wanted the model's image size 20x20")));
  EXPECT_THAT([&] { return beit::load<float>(path, {.preprocessing = wanted, .preprocessing_where = "p.json: size"}); },
              ThrowsMessage<beit::ArgumentError>("p.json: size: found 24x20, wanted the model's image size 20x20"));
  const auto tokenizer = golden("dvae_four.safetensors");
  const beit::Preprocessing crop{.input_size = {8, 8}, .crop_pct = 0.5};
  EXPECT_EQ(beit::load_tokenizer<float>(tokenizer, {.grid = {1, 1}, .preprocessing = crop}).preprocessing().crop_pct,
            0.5);
  EXPECT_THAT([&] { return beit::load_tokenizer<float>(tokenizer, {.preprocessing = crop}); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("wanted the model's image size")));
}

}  // namespace beit_test::load_options_test
