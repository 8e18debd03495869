#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <beit/nn/input_channels.hpp>

#include "../random_weights.hpp"

namespace beit_test::input_channels_test {

using beit::Index;

const RandomWeights weights(3);

TEST(InputChannels, ReadsAnyPartOfItsChannels) {
  const Index outputs = 4, inputs = 7, first = 2, count = 3, area = 9;
  const auto whole = weights.root().scope("c").get("weight", {outputs, inputs, 3, 3});
  const beit::InputChannels cut(weights.root().scope("c"), inputs, first, count);
  std::vector<float> wanted;
  for (Index output = 0; output < outputs; ++output) {
    const float* const from = whole.data() + (output * inputs + first) * area;
    wanted.insert(wanted.end(), from, from + count * area);
  }
  const std::vector<Index> shape{outputs, count, 3, 3};
  const auto size = static_cast<Index>(wanted.size());
  for (Index begin = 0; begin < size; begin += 5) {
    for (const Index length : {Index{1}, Index{26}, Index{27}, Index{60}, size - begin}) {
      if (length > size - begin) continue;
      std::vector<float> found(static_cast<std::size_t>(length));
      cut.read("weight", shape, begin, length, found.data());
      ASSERT_TRUE(std::equal(found.begin(), found.end(), wanted.begin() + begin)) << begin << ' ' << length;
    }
  }
}

TEST(InputChannels, LeavesABiasAsItIs) {
  const beit::InputChannels cut(weights.root().scope("c"), 7, 2, 3);
  const auto wanted = weights.root().scope("c").get("bias", {6}), found = cut.root().get("bias", {6});
  EXPECT_TRUE(std::equal(found.data(), found.data() + 6, wanted.data()));
}

// A file whose tensors have other shapes.
TEST(InputChannels, NamesTheWholeShape) {
  class Known final : public beit::WeightSource {
   public:
    bool has(const std::string& name) const override { return name == "c.weight"; }
    std::vector<Index> shape(const std::string&) const override { return {4, 7, 3, 3}; }
    void read(const std::string& name, std::span<const Index> shape, Index, Index, float*) const override {
      throw beit::WeightError(name + " " + beit::shape_text(shape));
    }
  };
  const Known source;
  const beit::InputChannels cut(source.root().scope("c"), 7, 2, 3);
  EXPECT_EQ(cut.shape("weight"), (std::vector<Index>{4, 3, 3, 3}));
  EXPECT_TRUE(cut.has("weight"));
  EXPECT_FALSE(cut.has("bias"));
  EXPECT_EQ(cut.where("weight"), "c.weight");
  try {
    static_cast<void>(cut.root().get("weight", {4, 3, 3, 3}));
    FAIL();
  } catch (const beit::WeightError& error) {
    EXPECT_STREQ(error.what(), "c.weight (4, 7, 3, 3)");
  }
}

}  // namespace beit_test::input_channels_test
