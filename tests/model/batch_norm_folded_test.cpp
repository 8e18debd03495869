// Compares convolutions whose weights hold their batch norms with the two one after the other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <beit/model/batch_norm_folded.hpp>

#include "../random_weights.hpp"
#include "../testing.hpp"

namespace beit_test::batch_norm_folded_test {

using beit::FoldedNorm;
using beit::Index;
using testing::HasSubstr;

/// Random parameters of two convolutions, of which the second has a bias, and of their norms.
class Source final : public beit::WeightSource {
 public:
  bool has(const std::string& name) const override { return name != "a.conv.bias"; }
  std::vector<Index> shape(const std::string& name) const override {
    if (name.ends_with("conv.weight"))
      return name.starts_with("a") ? std::vector<Index>{3, 2, 2, 2} : std::vector<Index>{2, 3, 1, 1};
    return name.ends_with("bn.weight") ? norm_shape : std::vector<Index>{3};
  }
  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    const std::vector<Index> own = this->shape(name);
    if (!std::equal(shape.begin(), shape.end(), own.begin(), own.end())) throw beit::WeightError("found another shape");
    random_.read(name, shape, begin, count, out);
    for (Index i = 0; name == "b.bn.weight" && i < count; ++i) out[i] *= begin + i == 2 ? gamma : 1.0f;
    if (!name.ends_with("running_var")) return;
    for (Index i = 0; i < count; ++i) out[i] = variance * (out[i] * out[i] + 0.1f);
  }
  std::vector<double> numbers(const std::string& name) const {
    const auto values = get(name, shape(name));
    return {values.data(), values.data() + values.size()};
  }

  float variance = 1, gamma = 1;
  std::vector<Index> norm_shape{3};

 private:
  RandomWeights random_{4};
};

const std::vector<FoldedNorm> norms{{"a.conv.", "a.bn.", 0}, {"b.conv.", "b.bn.", 1}};

TEST(BatchNormFolded, GivesWhatTheNormMakesOfTheConvolution) {
  const Source source;
  const beit::BatchNormFolded folded(source, norms);
  for (const std::string layer : {"a", "b"}) {
    const auto gamma = source.numbers(layer + ".bn.weight"), beta = source.numbers(layer + ".bn.bias"),
               mean = source.numbers(layer + ".bn.running_mean"), variance = source.numbers(layer + ".bn.running_var");
    const std::vector<double> own = layer == "a" ? std::vector<double>(3) : source.numbers("b.conv.bias");
    const auto w = source.numbers(layer + ".conv.weight");
    const auto found_w = folded.get(layer + ".conv.weight", source.shape(layer + ".conv.weight"));
    ASSERT_TRUE(folded.has(layer + ".conv.bias"));
    EXPECT_EQ(folded.shape(layer + ".conv.bias"), std::vector<Index>{3});
    const auto found_b = folded.get(layer + ".conv.bias", std::vector<Index>{3});
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t output = layer == "a" ? i / 8 : i % 3;
      const double scale = gamma[output] / std::sqrt(variance[output] + 1e-5);
      EXPECT_FLOAT_EQ(found_w[static_cast<Index>(i)], static_cast<float>(w[i] * scale)) << layer << i;
      EXPECT_NEAR(found_b[static_cast<Index>(output)], beta[output] + (own[output] - mean[output]) * scale, 1e-7);
    }
    // Reads parts, too, of one output or of several.
    const std::vector<Index> shape = source.shape(layer + ".conv.weight");
    for (Index begin = 0; begin < found_w.size(); ++begin) {
      for (Index count = 1; count <= found_w.size() - begin; ++count) {
        std::vector<float> part(static_cast<std::size_t>(count));
        folded.read(layer + ".conv.weight", shape, begin, count, part.data());
        EXPECT_TRUE(std::equal(part.begin(), part.end(), found_w.data() + begin)) << layer << begin << ' ' << count;
      }
    }
  }
}

TEST(BatchNormFolded, HidesTheNormsAndNothingElse) {
  const Source source;
  const beit::BatchNormFolded folded(source, norms);
  EXPECT_FALSE(folded.has("a.bn.weight"));
  EXPECT_FALSE(folded.has("b.bn.running_mean"));
  EXPECT_TRUE(folded.has("c.bn.weight"));
  EXPECT_EQ(folded.get("c.bn.weight", std::vector<Index>{3})[1], static_cast<float>(source.numbers("c.bn.weight")[1]));
  EXPECT_EQ(folded.shape("a.conv.weight"), source.shape("a.conv.weight"));
  EXPECT_EQ(folded.where("a.conv.weight"), "a.conv.weight");
}

TEST(BatchNormFolded, RefusesWhatCantBe) {
  Source source;
  const beit::BatchNormFolded folded(source, norms);
  const auto message = [&](const char* name, std::vector<Index> shape) {
    return message_of<beit::WeightError>([&] { return folded.get(name, shape).size(); });
  };
  EXPECT_THAT(message("a.conv.weight", {4, 2, 2, 2}), HasSubstr("another shape"));
  EXPECT_THAT(message("a.conv.bias", {4}), HasSubstr("a.bn.weight: found 3 outputs, wanted those of a.conv.bias (4,)"));
  EXPECT_THAT(message("a.conv.bias", {3, 1}), HasSubstr("a.bn.weight: found 3 outputs"));
  const std::vector<FoldedNorm> other{{"b.conv.", "a.bn.", 0}};
  const beit::BatchNormFolded wrong(source, other);
  EXPECT_THAT(
      message_of<beit::WeightError>([&] { return wrong.get("b.conv.weight", source.shape("b.conv.weight")).size(); }),
      HasSubstr("a.bn.weight: found 3 outputs, wanted those of b.conv.weight (2, 3, 1, 1)"));
  for (const std::vector<Index>& shape : {std::vector<Index>{3, 1}, {1, 3}, {}}) {
    source.norm_shape = shape;
    EXPECT_THAT(message_of<beit::WeightError>([&] { return beit::BatchNormFolded(source, norms).has(""); }),
                HasSubstr("another shape"));
  }
  source.norm_shape = {3};
  source.variance = -1;
  EXPECT_THAT(message_of<beit::WeightError>([&] { return beit::BatchNormFolded(source, norms).has(""); }),
              HasSubstr("a.bn.running_var: found a negative number at element 0, wanted variances"));
}

TEST(BatchNormFolded, RefusesNumbersBeyondTheRangeOfFloat) {
  Source source;
  source.gamma = 1e38f;
  source.variance = 1e-20f;
  const beit::BatchNormFolded folded(source, norms);
  const std::string message =
      "b.bn.weight: found a factor at element 2 that makes the numbers of b.conv.weight exceed the range of float, "
      "wanted finite numbers";
  const auto message_for = [&](const std::string& name, std::vector<Index> shape, Index begin, Index count) {
    std::vector<float> out(static_cast<std::size_t>(count));
    return message_of<beit::WeightError>([&] {
      folded.read(name, shape, begin, count, out.data());
      return count;
    });
  };
  EXPECT_EQ(message_for("b.conv.weight", {2, 3, 1, 1}, 0, 6), message);
  EXPECT_EQ(message_for("b.conv.bias", {3}, 0, 3), message);
  std::vector<float> out(5);
  folded.read("b.conv.weight", std::vector<Index>{2, 3, 1, 1}, 3, 2, out.data());  // of other outputs
  EXPECT_TRUE(std::isfinite(out[0]) && std::isfinite(out[1]));
  folded.read("a.conv.bias", std::vector<Index>{3}, 0, 3, out.data());
}

}  // namespace beit_test::batch_norm_folded_test
