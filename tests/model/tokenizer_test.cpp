// Compares DALL-E's discrete VAE with its own blocks in double precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <beit/model/load.hpp>

#include "../levels.hpp"
#include "testing.hpp"

namespace beit_test::tokenizer_test {

using beit::Index;
using beit::Matrix;
using beit::Size;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Turns planes (B*C, H*W) into pixels (B*H*W, C).
Matrix channels_last(const Matrix& planes, Index batch) {
  const Index channels = planes.rows() / batch;
  Matrix pixels(batch * planes.cols(), channels);
  for (Index b = 0; b < batch; ++b) {
    pixels.map().middleRows(b * planes.cols(), planes.cols()) =
        planes.map().middleRows(b * channels, channels).transpose();
  }
  return pixels;
}

struct GoldenTokenizer {
  explicit GoldenTokenizer(const std::string& name)
      : file(beit::SafeTensors::open(golden("dvae_" + name + ".expected.safetensors"))), reader(file) {
    const std::vector<Index> shape = reader.shape("x");
    batch = shape[0];
    size = {shape[2], shape[3]};
    x = Matrix(batch, 3 * size.area());
    const Matrix pixels = channels_last(expected(reader, "x", 3 * batch), batch);
    std::copy_n(pixels.data(), x.size(), x.data());
    const beit::Tensor& stored = file.tensors().at("tokens");
    tokens.resize(static_cast<std::size_t>(stored.size()));
    std::memcpy(tokens.data(), stored.data.data(), stored.data.size());
  }

  beit::SafeTensors file;
  beit::WeightReader reader;
  Index batch;
  Size size;
  Matrix x;                          // (B, H*W*3)
  std::vector<std::int32_t> tokens;  // (B*h*w,)
};

class Dvae : public testing::TestWithParam<Case> {};

TEST_P(Dvae, AgreesWithDallEInDoublePrecision) {
  const std::string name = std::get<0>(GetParam());
  const GoldenTokenizer wanted(name);
  const auto tokenizer =
      beit::load_tokenizer<float>(golden("dvae_" + name + ".safetensors"), {.isa = std::get<1>(GetParam())});
  ASSERT_EQ(tokenizer.preprocessing().input_size, wanted.size);
  ASSERT_EQ(tokenizer.isa(), std::get<1>(GetParam()));
  const Size grid = tokenizer.grid();
  const Index count = grid.area(), vocabulary = tokenizer.vocab_size();
  beit::ThreadPool pool(2);
  beit::Workspace workspace(pool);

  Matrix logits(wanted.batch * count, vocabulary);
  tokenizer.dvae().encoder().forward(wanted.x, wanted.size, workspace, logits);
  const Matrix planes = expected(wanted.reader, "logits", wanted.batch * vocabulary);
  EXPECT_LE(largest_difference(logits, channels_last(planes, wanted.batch)), 1e-5);
  std::vector<std::int32_t> tokens(wanted.tokens.size());
  tokenizer.encode(wanted.x, workspace, tokens);
  EXPECT_EQ(tokens, wanted.tokens);

  const Matrix decoded = channels_last(expected(wanted.reader, "decoder_logits", wanted.batch * 6), wanted.batch);
  const Matrix images = expected(wanted.reader, "image", wanted.batch);
  for (Index b = 0; b < wanted.batch; ++b) {
    const std::span<const std::int32_t> own(wanted.tokens.data() + b * count, static_cast<std::size_t>(count));
    Matrix six(wanted.size.area(), 6);
    tokenizer.dvae().decoder().forward(own, grid, workspace, six);
    EXPECT_LE(largest_difference(six, Matrix(decoded.map().middleRows(b * six.rows(), six.rows()))), 1e-5);
    const beit::Image bytes = tokenizer.decode({grid, {own.begin(), own.end()}}, workspace);
    for (Index i = 0; i < wanted.size.area(); ++i) {
      for (Index c = 0; c < 3; ++c) {
        const float value = std::clamp((1 / (1 + std::exp(-six(i, c))) - 0.1f) / 0.8f, 0.0f, 1.0f);
        ASSERT_NEAR(value, images(b, c * wanted.size.area() + i), 1e-5);
        ASSERT_EQ(bytes.data()[3 * i + c], std::lround(255 * value));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Dvae, on_all("four", "three", "two", "one"), case_name);

TEST(Tokenizer, SameTokensForAnyBatchAndNumberOfThreads) {
  const GoldenTokenizer wanted("three");
  const auto tokenizer = beit::load_tokenizer<Eigen::bfloat16>(golden("dvae_three.safetensors"));
  const Index count = tokenizer.grid().area();
  Matrix logits[2];
  for (const int threads : {1, 4}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    Matrix& out = logits[threads == 4] = Matrix(wanted.batch * count, tokenizer.vocab_size());
    if (threads == 4) {
      tokenizer.dvae().encoder().forward(wanted.x, wanted.size, workspace, out);
    } else {
      for (Index b = 0; b < wanted.batch; ++b) {
        tokenizer.dvae().encoder().forward(wanted.x.map().row(b), wanted.size, workspace,
                                           out.map().middleRows(b * count, count));
      }
    }
  }
  EXPECT_EQ(logits[0].map(), logits[1].map());
}

TEST(Tokenizer, PreprocessesImagesToValuesFromZeroToOne) {
  const auto tokenizer = beit::load_tokenizer<float>(golden("dvae_two.safetensors"));
  EXPECT_EQ(tokenizer.preprocessing().interpolation, beit::Interpolation::lanczos);
  beit::Image image(6, 10);  // has the input's size, so that nothing is resampled
  for (Index i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(37 * i % 256);
  Matrix x(1, image.size());
  for (Index i = 0; i < image.size(); ++i) x(0, i) = static_cast<float>(image.data()[i]) / 255;
  beit::Workspace workspace;
  std::vector<std::int32_t> wanted(static_cast<std::size_t>(tokenizer.grid().area()));
  tokenizer.encode(x, workspace, wanted);
  const beit::Tokens tokens = tokenizer.encode(image);
  EXPECT_EQ(tokens.grid, (Size{3, 5}));
  EXPECT_EQ(tokens.values, wanted);
  const std::vector<beit::Image> both{image, image};
  EXPECT_EQ(tokenizer.encode(both, workspace)[1].values, wanted);
}

TEST(Tokenizer, SeesTheCropThatAModelSees) {
  const auto tokenizer = beit::load_tokenizer<float>(golden("dvae_four.safetensors"), {.grid = {14, 14}});
  beit::Preprocessing model{.input_size = {224, 224}, .crop_pct = 0.9, .crop_mode = beit::CropMode::squash};
  const beit::Preprocessing beside = tokenizer.preprocessing_for(model);
  EXPECT_EQ(beside.input_size, (Size{112, 112}));
  EXPECT_EQ(beside.crop_pct, 0.9);
  EXPECT_EQ(beside.crop_mode, beit::CropMode::squash);
  EXPECT_EQ(beside.interpolation, beit::Interpolation::lanczos);
  EXPECT_EQ(beside.std[0], 1.0f);
  EXPECT_EQ(beside.resize_to, Size{});
  model.resize_to = {256, 256};
  EXPECT_EQ(tokenizer.preprocessing_for(model).resize_to, (Size{128, 128}));
  model.resize_to = {233, 0};  // the shorter side
  EXPECT_EQ(tokenizer.preprocessing_for(model).resize_to, (Size{117, 0})) << "to the nearest, as a model's is scaled";
}

TEST(Tokenizer, LoadsHalvesAndOtherSizes) {
  const auto encoder =
      beit::load_tokenizer<float>(golden("dvae_four.safetensors"), {.grid = {4, 1}, .encoder = true, .decoder = false});
  EXPECT_TRUE(encoder.has_encoder());
  EXPECT_EQ(encoder.grid(), (Size{4, 1}));
  EXPECT_THAT(
      [&] {
        return encoder.decode({{1, 1}, {0}});
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("no decoder")));
  const auto decoder = beit::load_tokenizer<float>(golden("dvae_four.safetensors"), {.encoder = false});
  EXPECT_EQ(decoder.decode({{1, 2}, {0, 36}}).width(), 16);
  EXPECT_THAT([&] { return decoder.encode(beit::Image(8, 8)); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("no encoder")));
  EXPECT_THAT(
      [&] {
        return decoder.decode({{1, 2}, {0, 37}});
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("found token 37, wanted 0 to 36")));
  EXPECT_THAT(
      [&] {
        return decoder.decode({{1, 3}, {0, 1}});
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("found 2 tokens, wanted a grid of 1x3")));
}

TEST(Tokenizer, RefusesWhatIsNone) {
  const auto load = [](const ModelFile& file) {
    const std::string bytes = file.bytes();
    return beit::load_tokenizer<float>(beit::MemoryFiles{as_bytes(bytes), "made"});
  };
  const ModelFile whole = ModelFile::read("dvae_one.safetensors");
  EXPECT_NO_THROW(load(whole));
  const auto refused = [&](const ModelFile& file, const char* message) {
    EXPECT_THAT([&] { load(file); }, ThrowsMessage<beit::Error>(HasSubstr(message)));
  };
  EXPECT_THAT(
      [] { return beit::load_tokenizer<float>(golden("model_plain.safetensors")); },
      ThrowsMessage<beit::WeightError>(HasSubstr("found a BEiT classifier, which load reads, wanted a tokenizer")));
  ModelFile file = whole;
  file.tensors.erase("encoder.blocks.group_1.block_1.res_path.conv_3.b");
  refused(file, "made: encoder.blocks.group_1.block_1.res_path.conv_3.b: tensor is missing");
  file = whole;
  file.tensors.erase("encoder.blocks.group_1.block_1.res_path.conv_1.w");
  refused(file, "dVAE: found group_count 0, wanted 1 to 16");
  file = whole;
  file.reshape("encoder.blocks.output.conv.w", {21, 4, 1, 1});
  file.reshape("encoder.blocks.output.conv.b", {21});
  refused(file, "an encoder of 21 tokens and 1 groups, and a decoder of 20 and 1");
  file = whole;
  file.reshape("decoder.blocks.output.conv.w", {3, 4, 1, 1});
  refused(file, "made: decoder.blocks.output.conv.w: found shape (3, 4, 1, 1), wanted (6, 4, 1, 1)");
  file = whole;
  file.reshape("encoder.blocks.input.w", {6, 3, 7, 7});
  refused(file, "dVAE: found n_hid 6, wanted a multiple of 4");
  file = whole;
  file.reshape("encoder.blocks.more", {1});
  refused(file, "made: 1 unexpected tensor: encoder.blocks.more (1,)");
  file = ModelFile::read("dvae_two.safetensors");
  nlohmann::json config = file.config();
  config["input_size"] = {3, 7, 10};
  file.set_config(config);
  refused(file, "found image size 7x10, wanted multiples of 2");
}

}  // namespace beit_test::tokenizer_test
