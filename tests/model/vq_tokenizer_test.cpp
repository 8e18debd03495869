// Compares BEiT v2's tokenizer with timm's transformers in double precision (weights_tools/vqkd.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <beit/model/load.hpp>
#include <beit/model/load_any.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "testing.hpp"

namespace beit_test::vq_tokenizer_test {

using beit::Index;
using beit::Matrix;
using beit::Precision;
using beit::Size;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::filesystem::path model(const std::string& name) { return golden("vqkd_" + name + ".safetensors"); }

/// Images and their results, at the size of the file or, with the prefix "other_", at another one.
struct Expected {
  explicit Expected(const std::string& name, const std::string& prefix = "")
      : file(beit::SafeTensors::open(golden("vqkd_" + name + ".expected.safetensors"))), reader(file) {
    const std::vector<Index> shape = reader.shape(prefix + "x");
    size = {shape[2], shape[3]};
    const Matrix planes = expected(reader, prefix + "x", 3 * shape[0]);
    x = Matrix(shape[0], 3 * size.area());
    for (Index b = 0; b < shape[0]; ++b) {
      Eigen::Map<beit::RowMajorMatrix>(x.row(b), size.area(), 3) = planes.map().middleRows(3 * b, 3).transpose();
    }
    x.map().array() = x.map().array() * 2.0f - 1.0f;
    const beit::Tensor& stored = file.tensors().at(prefix + "tokens");
    tokens.resize(static_cast<std::size_t>(stored.size()));
    std::memcpy(tokens.data(), stored.data.data(), stored.data.size());
    scores = expected(reader, prefix + "scores", stored.size());
    if (reader.has(prefix + "features")) features = expected(reader, prefix + "features", stored.size());
  }

  /// The tokens of one image.
  beit::Tokens image(Index b, Size grid) const {
    const auto begin = tokens.begin() + b * grid.area();
    return {grid, {begin, begin + grid.area()}};
  }
  /// The difference of the two best scores of a patch.
  float gap(Index patch) const {
    std::vector<float> row(scores.row(patch), scores.row(patch) + scores.cols());
    std::nth_element(row.begin(), row.begin() + 1, row.end(), std::greater<>());
    return *std::max_element(row.begin(), row.begin() + 1) - row[1];
  }

  beit::SafeTensors file;
  beit::WeightReader reader;
  Size size;
  Matrix x;                          // (B, H*W*3), from -1 to 1
  std::vector<std::int32_t> tokens;  // (B*h*w,)
  Matrix scores;                     // (B*h*w, V)
  Matrix features;                   // (B*h*w, F), or empty
};

class Vq : public testing::TestWithParam<Case> {};

/// The largest error of scores and features in each precision; float is exact but for rounding.
struct Bound {
  Precision precision;
  double scores, features;
};
constexpr Bound bounds[]{{Precision::float32, 3e-6, 2e-6},
                         {Precision::float_fast, 1e-4, 1e-4},
                         {Precision::bfloat16, 0.03, 0.02},
                         {Precision::int8, 0.06, 0.1}};

TEST_P(Vq, AgreesWithDoublePrecisionInEveryPrecision) {
  const std::string name = std::get<0>(GetParam());
  for (const std::string prefix : {"", "other_"}) {
    const Expected wanted(name, prefix);
    for (const Bound& bound : bounds) {
      SCOPED_TRACE(prefix + std::string(beit::precision_name(bound.precision)));
      const auto tokenizer = beit::load_any_tokenizer(
          model(name), {.image_size = wanted.size, .isa = std::get<1>(GetParam()), .precision = bound.precision});
      const Size grid = tokenizer->grid();
      ASSERT_EQ(grid.area() * wanted.x.rows(), wanted.scores.rows());
      ASSERT_EQ(tokenizer->precision(), bound.precision);
      ASSERT_EQ(tokenizer->isa(), std::get<1>(GetParam()));
      beit::ThreadPool pool(2);
      beit::Workspace workspace(pool);
      Matrix scores(wanted.scores.rows(), tokenizer->vocab_size());
      tokenizer->forward(wanted.x, workspace, scores);
      EXPECT_LE(largest_difference(scores, wanted.scores), bound.scores);
      std::vector<std::int32_t> tokens(wanted.tokens.size());
      tokenizer->encode(wanted.x, workspace, tokens);
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (wanted.gap(static_cast<Index>(i)) > 2 * bound.scores) {
          EXPECT_EQ(tokens[i], wanted.tokens[i]) << i;
        }
      }
      if (bound.precision == Precision::float32) {
        EXPECT_EQ(tokens, wanted.tokens);
      }
      ASSERT_EQ(tokenizer->feature_dim(), wanted.features.cols());
      for (Index b = 0; tokenizer->feature_dim() > 0 && b < wanted.x.rows(); ++b) {
        const Matrix features = tokenizer->decode_features(wanted.image(b, grid));
        EXPECT_LE(largest_difference(features, Matrix(wanted.features.map().middleRows(b * grid.area(), grid.area()))),
                  bound.features);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Vq, on_all("square", "rectangle", "bare"), case_name);

TEST(VqTokenizer, SameBitsForAnyBatchAndNumberOfThreads) {
  const Expected wanted("square");
  for (const Bound& bound : bounds) {
    const auto tokenizer = beit::load_any_tokenizer(model("square"), {.precision = bound.precision});
    const Index count = tokenizer->grid().area();
    Matrix scores[2], features[2];
    for (const int threads : {1, 4}) {
      beit::ThreadPool pool(threads);
      beit::Workspace workspace(pool);
      Matrix& out = scores[threads == 4] = Matrix(wanted.scores.rows(), tokenizer->vocab_size());
      if (threads == 4) {
        tokenizer->forward(wanted.x, workspace, out);
      } else {
        for (Index b = 0; b < wanted.x.rows(); ++b) {
          tokenizer->forward(wanted.x.map().row(b), workspace, out.map().middleRows(b * count, count));
        }
      }
      Matrix& decoded = features[threads == 4] = Matrix(count, tokenizer->feature_dim());
      tokenizer->decode_features(wanted.image(0, tokenizer->grid()), workspace, decoded);
    }
    EXPECT_EQ(scores[0].map(), scores[1].map());
    EXPECT_EQ(features[0].map(), features[1].map());
  }
}

TEST(VqTokenizer, PreprocessesAsItsPublishersDo) {
  ModelFile file = ModelFile::read("vqkd_bare.safetensors");  // without a configuration
  const std::string bytes = file.bytes();
  const auto tokenizer = beit::load_tokenizer<float>(beit::MemoryFiles{as_bytes(bytes), "bare"});
  const beit::Preprocessing& own = tokenizer.preprocessing();
  EXPECT_EQ(own.input_size, (Size{24, 24}));
  EXPECT_EQ(own.interpolation, beit::Interpolation::bicubic);
  EXPECT_EQ(own.crop_pct, 0.875);  // 224 of 256
  EXPECT_EQ(own.crop_mode, beit::CropMode::center);
  EXPECT_EQ(own.mean, (std::vector<float>{0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(own.std, (std::vector<float>{0.5f, 0.5f, 0.5f}));
  // Beside a model it sees the model's crop, by its own mean.
  const beit::Preprocessing beside =
      tokenizer.preprocessing_for({.input_size = {24, 24}, .crop_pct = 1.0, .mean = {0.485f, 0.456f, 0.406f}});
  EXPECT_EQ(beside.crop_pct, 1.0);
  EXPECT_EQ(beside.mean, own.mean);

  const beit::Image image(40, 30);
  beit::Workspace workspace;
  const Matrix x = preprocess(own, std::span(&image, 1), workspace, beit::TensorLayout::channels_last);
  std::vector<std::int32_t> wanted(9);
  tokenizer.encode(x, workspace, wanted);
  const beit::Tokens tokens = tokenizer.encode(image);
  EXPECT_EQ(tokens.grid, (Size{3, 3}));
  EXPECT_EQ(tokens.values, wanted);
}

TEST(VqTokenizer, TheLowestOfEqualTokensWins) {
  const Expected wanted("square");
  ModelFile file = ModelFile::read("vqkd_square.safetensors");
  std::vector<float>& codes = file.tensors.at("quantize.embedding.weight").values;
  const auto dim = static_cast<std::ptrdiff_t>(codes.size() / 61);
  for (std::ptrdiff_t i = 30; i < 60; ++i) std::copy_n(codes.begin() + (i - 30) * dim, dim, codes.begin() + i * dim);
  const std::string bytes = file.bytes();
  const auto tokenizer = beit::load_tokenizer<float>(beit::MemoryFiles{as_bytes(bytes), "equal"});
  std::vector<std::int32_t> tokens(wanted.tokens.size());
  beit::Workspace workspace;
  tokenizer.encode(wanted.x, workspace, tokens);
  for (const std::int32_t token : tokens) EXPECT_TRUE(token < 30 || token == 60) << token;
}

TEST(VqTokenizer, LoadsHalves) {
  const auto encoder = beit::load_tokenizer<float>(model("square"), {.decoder = false});
  EXPECT_TRUE(encoder.has_encoder());
  EXPECT_FALSE(encoder.has_decoder());
  EXPECT_EQ(encoder.feature_dim(), 0);
  EXPECT_EQ(encoder.codes().rows(), encoder.vocab_size());
  const beit::Tokens tokens{{4, 4}, std::vector<std::int32_t>(16, 3)};
  EXPECT_THAT([&] { return encoder.decode_features(tokens); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("found no decoder, wanted one in the file")));
  const auto decoder = beit::load_tokenizer<float>(model("square"), {.encoder = false});
  EXPECT_FALSE(decoder.has_encoder());
  EXPECT_EQ(decoder.decode_features(tokens).cols(), 12);
  EXPECT_THAT([&] { return decoder.encode(beit::Image(8, 8)); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("found no encoder, wanted one in the file")));
}

TEST(VqTokenizer, SaysWhatItCannotDo) {
  const auto vq = beit::load_tokenizer<float>(model("square"));
  EXPECT_THAT(
      [&] {
        return vq.decode({{1, 1}, {0}});
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("found BEiT v2's tokenizer, whose decoder gives the teacher's "
                                                   "features (decode_features), wanted DALL-E's")));
  const auto refused = [&](const beit::Tokens& tokens, const char* message) {
    EXPECT_THAT([&] { return vq.decode_features(tokens); }, ThrowsMessage<beit::ArgumentError>(HasSubstr(message)));
  };
  refused({{2, 8}, std::vector<std::int32_t>(16)}, "found 16 tokens in a grid of 2x8, wanted 4x4");
  refused({{4, 4}, std::vector<std::int32_t>(15)}, "found 15 tokens in a grid of 4x4, wanted 4x4");
  refused({{4, 4}, std::vector<std::int32_t>(16, 61)}, "found token 61, wanted 0 to 60");
  refused({{4, 4}, std::vector<std::int32_t>(16, -1)}, "found token -1, wanted 0 to 60");
  EXPECT_EQ(&vq.vq(), &vq.vq());
  EXPECT_THAT([&] { return &vq.dvae(); }, ThrowsMessage<beit::ArgumentError>(HasSubstr("found BEiT v2's")));

  const auto dvae = beit::load_tokenizer<float>(golden("dvae_one.safetensors"));
  EXPECT_EQ(dvae.feature_dim(), 0);
  EXPECT_EQ(dvae.codes().size(), 0);
  EXPECT_THAT(
      [&] {
        return dvae.decode_features({{1, 1}, {0}});
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("found DALL-E's tokenizer, whose decoder gives pixels (decode)")));
  EXPECT_THAT([&] { return &dvae.vq(); }, ThrowsMessage<beit::ArgumentError>(HasSubstr("found DALL-E's")));
}

TEST(VqTokenizer, ChecksShapes) {
  const auto tokenizer = beit::load_tokenizer<float>(model("square"));
  beit::Workspace workspace;
  Matrix scores(16, 61);
  EXPECT_THAT([&] { tokenizer.forward(Matrix(1, 3 * 32 * 31), workspace, scores); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("found shape (1, 2976), wanted (1, 3072)")));
  EXPECT_THAT([&] { tokenizer.forward(Matrix(2, 3 * 32 * 32), workspace, scores); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("found shape (16, 61), wanted (32, 61)")));
}

TEST(VqTokenizer, EncodesNoScoresThatArentFinite) {
  const auto tokenizer = beit::load_tokenizer<float>(model("square"));
  beit::Workspace workspace;
  Matrix x(Eigen::MatrixXf::Constant(1, 3 * 32 * 32, 0.5f));
  x(0, 100) = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::int32_t> tokens(16);
  EXPECT_THAT([&] { tokenizer.encode(x, workspace, tokens); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("nan at (0, 0), wanted finite numbers")));
}

TEST(VqTokenizer, RefusesAnEncoderOfOtherImages) {
  const RandomWeights weights(3);
  const auto made = [&](Size image, Size patch, Index channels) {
    beit::VqTransformerConfig config;
    config.image_size = config.preprocessing.input_size = image;
    config.patch_size = patch;
    config.embed_dim = 16;
    config.depth = 1;
    config.num_heads = 2;
    config.mlp_hidden = 8;
    config.in_chans = channels;
    config.use_fc_norm = true;
    config.outputs = 4;
    beit::VqTransformer<float> encoder(config, weights.root().scope("encoder"), weights.root().scope("task"));
    return beit::VqTokenizer<float>({.input_size = {32, 32}}, {8, 8},
                                    beit::Codebook(beit::default_kernels(), weights.root().scope("codes"), 5, 4),
                                    std::move(encoder), {});
  };
  EXPECT_TRUE(made({32, 32}, {8, 8}, 3).has_encoder());
  EXPECT_THAT(
      [&] {
        made({16, 16}, {4, 4}, 3);
      },  // with the same grid
      ThrowsMessage<beit::ConfigError>(
          "tokenizer: found an encoder of images of 16x16 and 3 channels, wanted 32x32 and 3"));
  EXPECT_THAT([&] { made({32, 32}, {8, 8}, 1); }, ThrowsMessage<beit::ConfigError>(HasSubstr("32x32 and 1 channels")));
}

TEST(VqTokenizer, RefusesWhatIsNone) {
  const auto load = [](const ModelFile& file, const beit::LoadOptions& options = {}) {
    const std::string bytes = file.bytes();
    return beit::load_tokenizer<float>(beit::MemoryFiles{as_bytes(bytes), "made"}, options);
  };
  const ModelFile whole = ModelFile::read("vqkd_square.safetensors");
  EXPECT_NO_THROW(load(whole));
  const auto refused = [&](const ModelFile& file, const char* message, const beit::LoadOptions& options = {}) {
    EXPECT_THAT([&] { load(file, options); }, ThrowsMessage<beit::Error>(HasSubstr(message)));
  };
  for (const char* name : {"encoder.patch_embed.proj.weight", "encoder.fc_norm.weight", "encoder.cls_token",
                           "encode_task_layer.2.weight", "encode_task_layer.0.bias", "decoder.fc_norm.bias",
                           "decode_task_layer.2.weight", "quantize.embedding.weight"}) {
    ModelFile file = whole;
    file.reshape("quantize.cluster_size", {61});  // keeps proving the kind
    file.tensors.erase(name);
    refused(file, (std::string("made: ") + name + ": tensor is missing").c_str());
  }
  ModelFile file = whole;
  for (const char* training : {"cluster_size", "embedding.cluster_size", "embedding.embed_avg", "embedding.initted"}) {
    file.reshape(std::string("quantize.") + training, {1});
  }
  EXPECT_NO_THROW(load(file));
  file.reshape("quantize.more", {1});
  refused(file, "made: 1 unexpected tensor: quantize.more (1,)");
  file = whole;
  file.reshape("quantize.embedding.weight", {61, 9});
  refused(file, "encode_task_layer.2.bias: found shape (8,), wanted (9,)");
  file = whole;
  file.reshape("decoder.patch_embed.proj.weight", {24, 9, 1, 1});
  refused(file, "decoder.patch_embed.proj.weight: found shape (24, 9, 1, 1), wanted (24, 8, 1, 1)");
  file = whole;
  file.reshape("decoder.patch_embed.proj.weight", {24, 8, 2, 2});
  refused(file, "decoder.patch_embed.proj.weight: found shape (24, 8, 2, 2), wanted (24, 8, 1, 1)");
  file = whole;
  file.reshape("decoder.pos_embed", {1, 10, 24});
  refused(file, "decoder.pos_embed: found shape (1, 10, 24), wanted (1, 17, 24)");
  file = whole;
  nlohmann::json config = file.config();
  config["num_heads"] = 3;
  file.set_config(config);
  refused(file, "found embed_dim 16, wanted a multiple of num_heads 3");
  config.erase("num_heads");
  file.set_config(config);
  refused(file, "found no num_heads, wanted one, because the width 16 of the encoder isn't a multiple of 64");
  config["num_heads"] = 2;
  config["input_size"] = {3, 40, 32};
  file.set_config(config);
  refused(file, "encoder.pos_embed: found shape (1, 17, 16), wanted (1, 21, 16)");
  refused(whole, "found image size 30x32, wanted a multiple of the pixels per token 8x8", {.image_size = {30, 32}});
}

}  // namespace beit_test::vq_tokenizer_test
