// Where a model is loaded from: paths of any type, and folders that are in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <beit/model/load.hpp>
#include <beit/model/source.hpp>

#include "testing.hpp"

namespace beit_test::source_test {

using beit::Index;
using beit::Matrix;
using beit::MemoryFiles;
using testing::HasSubstr;
using testing::ThrowsMessage;

Matrix logits_of(const beit::Beit<float>& model) {
  Matrix x(1, model.config().in_chans * model.config().image_size.area());
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = std::sin(static_cast<float>(i));
  return model.forward(x);
}

TEST(Source, IsAPathOfAnyType) {
  const std::filesystem::path path = golden("model_plain.safetensors");
  const std::string text = path.string();
  const Matrix wanted = logits_of(beit::load<float>(path));
  EXPECT_EQ(logits_of(beit::load<float>(text)).map(), wanted.map());
  EXPECT_EQ(logits_of(beit::load<float>(text.c_str())).map(), wanted.map());
  EXPECT_EQ(logits_of(beit::load<float>(beit::Source(path))).map(), wanted.map());
  EXPECT_EQ(beit::Source(text).path(), path);
  EXPECT_EQ(beit::Source(text).files(), nullptr);
}

TEST(Source, AFolderInMemoryIsTheFolder) {
  const std::filesystem::path folder = golden("hugging_face") / "classifier";
  const std::string weights = file_text(folder / "model.safetensors");
  const std::string config = file_text(folder / "config.json");
  const std::string preprocessor = file_text(folder / "preprocessor_config.json");
  const MemoryFiles memory{
      .weights = as_bytes(weights), .name = "embedded", .config = config, .preprocessor = preprocessor};
  const auto wanted = beit::load<float>(folder), model = beit::load<float>(memory);
  EXPECT_EQ(logits_of(model).map(), logits_of(wanted).map());
  EXPECT_EQ(model.config().labels, wanted.config().labels);
  EXPECT_EQ(model.config().preprocessing.mean, wanted.config().preprocessing.mean);
  EXPECT_EQ(model.config().preprocessing.resize_to, wanted.config().preprocessing.resize_to);

  const std::string other = R"({"num_attention_heads": 4})", broken = "{";
  MemoryFiles files = memory;
  files.config = other;
  EXPECT_THAT([&] { return beit::load<float>(files); },
              ThrowsMessage<beit::ConfigError>(HasSubstr("embedded: config.json: num_attention_heads: found 4")));
  files = memory;
  files.preprocessor = broken;
  EXPECT_THAT([&] { return beit::load<float>(files); },
              ThrowsMessage<beit::ConfigError>(HasSubstr("embedded: preprocessor_config.json: not valid JSON")));
}

TEST(Source, TimmsPairInMemoryIsThePair) {
  ModelFile file = ModelFile::read("model_absolute.safetensors");
  const std::string config = file.config().dump(), carrying = file.bytes();
  file.metadata.clear();
  const std::string bare = file.bytes();
  const auto wanted = beit::load<float>(golden("model_absolute.safetensors"));
  const auto model = beit::load<float>(MemoryFiles{.weights = as_bytes(bare), .name = "m", .config = config});
  EXPECT_EQ(logits_of(model).map(), logits_of(wanted).map());
  EXPECT_EQ(model.config().labels, wanted.config().labels);
  EXPECT_NO_THROW(logits_of(beit::load<float>(MemoryFiles{.weights = as_bytes(carrying), .name = "m", .config = "{"})))
      << "as in a folder, what the weights carry counts";
}

TEST(Source, LabelsInMemoryAreLines) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  file.metadata.clear();
  const std::string bytes = file.bytes();
  MemoryFiles files{.weights = as_bytes(bytes), .name = "m", .labels = "a\nb b\r\n\nd\ne\nf\ng\nh\ni\nj"};
  EXPECT_THAT(beit::load<float>(files).config().labels,
              testing::ElementsAre("a", "b b", "", "d", "e", "f", "g", "h", "i", "j"));
  files.labels = "a\nb\n";
  EXPECT_THAT([&] { return beit::load<float>(files); },
              ThrowsMessage<beit::ConfigError>(HasSubstr("found 2 labels, wanted num_classes 10")));
}

TEST(Source, MemoryIsNotNeededOnceAModelIsLoaded) {
  const std::filesystem::path folder = golden("hugging_face") / "classifier";
  std::string weights = file_text(folder / "model.safetensors");
  std::string config = file_text(folder / "config.json");
  std::string preprocessor = file_text(folder / "preprocessor_config.json");
  const auto model = beit::load<float>(
      MemoryFiles{.weights = as_bytes(weights), .name = "m", .config = config, .preprocessor = preprocessor});
  std::string tokens = file_text(golden("dvae_one.safetensors"));
  const auto tokenizer = beit::load_tokenizer<float>(MemoryFiles{as_bytes(tokens), "t"});
  for (std::string* text : {&weights, &config, &preprocessor, &tokens}) std::fill(text->begin(), text->end(), '\xFF');
  EXPECT_EQ(logits_of(model).map(), logits_of(beit::load<float>(folder)).map());
  EXPECT_EQ(model.config().labels[3], "LABEL_3");
  const beit::Image image(tokenizer.preprocessing().input_size.height, tokenizer.preprocessing().input_size.width);
  EXPECT_EQ(tokenizer.encode(image).values,
            beit::load_tokenizer<float>(golden("dvae_one.safetensors")).encode(image).values);
}

}  // namespace beit_test::source_test
