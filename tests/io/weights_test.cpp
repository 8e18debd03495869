#include <beit/io/weights.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/core/bit_cast.hpp>
#include <beit/io/npy.hpp>

#include "../testing.hpp"

namespace beit_test::weights_test {

using beit::AlignedBuffer;
using beit::Index;
using beit::SafeTensors;
using beit::WeightError;
using beit::WeightReader;
using beit::WeightScope;
using ::testing::ElementsAre;

/// Compares bits, so that -0 isn't 0.
void expect_same(const AlignedBuffer<float>& found, const beit::Matrix& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (Index i = 0; i < found.size(); ++i) {
    ASSERT_EQ(beit::detail::bit_cast<std::uint32_t>(found[i]), beit::detail::bit_cast<std::uint32_t>(wanted.data()[i]))
        << "element " << i;
  }
}

class GoldenWeightsTest : public ::testing::Test {
 protected:
  const std::string name_ = golden("io_tensors.safetensors").string();
  const SafeTensors file_ = SafeTensors::open(name_);
  const WeightReader reader_{file_};
  const WeightScope root_ = reader_.root();
};

TEST_F(GoldenWeightsTest, EveryTypeHasPytorchsValues) {
  const WeightScope block = root_.scope("block");
  expect_same(block.get("f32", {7, 111}), beit::read_npy(golden("io_f32.npy")));
  expect_same(block.get("f16", {13, 100}), beit::read_npy(golden("io_f16.npy")));
  expect_same(block.get("bf16", {1300}), beit::read_npy(golden("io_bf16.npy")));
}

TEST_F(GoldenWeightsTest, ScalarAndEmpty) {
  const AlignedBuffer<float> scalar = root_.get("scalar", {});
  ASSERT_EQ(scalar.size(), 1);
  EXPECT_EQ(scalar[0], -2.5f);
  EXPECT_EQ(root_.get("empty", {0, 3}).size(), 0);
}

TEST_F(GoldenWeightsTest, SecondReadGivesTheSame) {
  root_.get("block.f32", {7, 111});
  expect_same(root_.get("block.f32", {7, 111}), beit::read_npy(golden("io_f32.npy")));
}

TEST_F(GoldenWeightsTest, NamesOfScopes) {
  const WeightScope block = root_.scope("block");
  EXPECT_EQ(block.path("f32"), "block.f32");
  EXPECT_EQ(block.scope("mlp").scope("fc1").path("weight"), "block.mlp.fc1.weight");
  EXPECT_TRUE(block.has("f32"));
  EXPECT_FALSE(block.has("scalar"));
  EXPECT_TRUE(root_.has("scalar"));
  EXPECT_THAT(block.shape("f16"), ElementsAre(13, 100));
}

TEST_F(GoldenWeightsTest, MissingTensor) {
  EXPECT_EQ(message_of<WeightError>([&] { root_.scope("blocks.0").get("gamma_1", {3}); }),
            name_ + ": blocks.0.gamma_1: tensor is missing");
  EXPECT_EQ(message_of<WeightError>([&] { (void)root_.shape("head.weight"); }),
            name_ + ": head.weight: tensor is missing");
}

TEST_F(GoldenWeightsTest, AnotherShape) {
  EXPECT_EQ(message_of<WeightError>([&] {
              root_.get("block.f32", {111, 7});
            }),
            name_ + ": block.f32: found shape (7, 111), wanted (111, 7)");
  EXPECT_EQ(message_of<WeightError>([&] { root_.get("block.f32", {7}); }),
            name_ + ": block.f32: found shape (7, 111), wanted (7,)");
  EXPECT_EQ(message_of<WeightError>([&] {
              root_.get("block.f32", {7, 111, 1});
            }),
            name_ + ": block.f32: found shape (7, 111), wanted (7, 111, 1)");
}

TEST_F(GoldenWeightsTest, AnotherType) {
  EXPECT_EQ(message_of<WeightError>([&] { root_.get("bool", {3}); }),
            name_ + ": bool: found dtype BOOL, wanted F32, F16, BF16, I8, F8_E4M3 or F8_E5M2");
}

TEST(WeightReaderTest, NumbersOf8Bits) {
  const std::pair<std::string, float> rows[] = {
      {"F8_E4M3", 1.5f}, {"F8_E5M2", 6.0f}, {"F8_E4M3FNUZ", 0.75f}, {"F8_E5M2FNUZ", 3.0f}};
  for (const auto& [dtype, wanted] : rows) {
    const std::string text = safetensors_text(R"({"w":{"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,1]}})",
                                              dtype.starts_with("F8_E5") ? "\x46" : "\x3C");
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    EXPECT_EQ(WeightReader(file).get("w", std::vector<Index>{1})[0], wanted) << dtype;
  }
}

TEST_F(GoldenWeightsTest, UnexpectedTensors) {
  root_.get("block.f16", {13, 100});
  root_.get("block.bf16", {1300});
  (void)root_.has("bool");
  (void)root_.shape("bool");  // asking for the shape doesn't count as reading
  EXPECT_EQ(message_of<WeightError>([&] { reader_.finish(); }),
            name_ + ": 4 unexpected tensors: block.f32 (7, 111), bool (3,), empty (0, 3), scalar ()");
  root_.get("block.f32", {7, 111});
  root_.get("empty", {0, 3});
  root_.get("scalar", {});
  EXPECT_EQ(message_of<WeightError>([&] { reader_.finish(); }), name_ + ": 1 unexpected tensor: bool (3,)");
}

TEST(WeightsTest, FinishNamesFiveAndAllowsBuffers) {
  std::string header = "{";
  for (const char name : {'a', 'b', 'c', 'd', 'e', 'f', 'g'}) {
    header.append("\"").append(1, name).append(R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)");
  }
  header += R"("blocks.0.attn.relative_position_index":{"dtype":"I64","shape":[0],"data_offsets":[0,0]},)";
  header += R"("bn.num_batches_tracked":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}})";
  const std::string text = safetensors_text(header);
  const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
  const WeightReader reader(file);
  EXPECT_EQ(message_of<WeightError>([&] { reader.finish(); }),
            "m: 7 unexpected tensors: a (0,), b (0,), c (0,), d (0,), e (0,), ...");
  for (const char* const name : {"a", "b", "c", "d", "e", "f", "g"}) reader.root().get(name, {0});
  EXPECT_NO_THROW(reader.finish());
}

/// A file with one F32 tensor "w" of shape (3, 200) in which one element has these bits.
std::string file_with(std::uint32_t bits, std::size_t where) {
  std::vector<std::uint32_t> values(600, 0x3F800000);
  values[where] = bits;
  return safetensors_text(R"({"w":{"dtype":"F32","shape":[3,200],"data_offsets":[0,2400]}})",
                          {reinterpret_cast<const char*>(values.data()), 2400});
}

TEST(WeightsTest, ValuesThatAreNotFiniteSayWhere) {
  const auto error = [](std::uint32_t bits, std::size_t where) {
    const std::string text = file_with(bits, where);
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    const WeightReader reader(file);
    return message_of<WeightError>([&] { reader.root().get("w", {3, 200}); });
  };
  EXPECT_EQ(error(0x7FC00000, 0), "m: w: found NaN at element (0, 0), wanted finite weights");
  EXPECT_EQ(error(0xFF800000, 417), "m: w: found an infinity at element (2, 17), wanted finite weights");
  EXPECT_EQ(error(0x7F800000, 599), "m: w: found an infinity at element (2, 199), wanted finite weights");
}

/// A file with an I8 tensor "w" of shape (2, 3) and "w_scale", which `header` describes and whose bytes are `scales`.
std::string int8_file(const std::string& header, const std::string& scales) {
  return safetensors_text(R"({"w":{"dtype":"I8","shape":[2,3],"data_offsets":[0,6]})" + header + "}",
                          std::string("\x01\xFF\x7F\x00\x81\x02", 6) + scales);
}

constexpr const char* scale_header = R"(,"w_scale":{"dtype":"F32","shape":[2],"data_offsets":[6,14]})";
const std::string half_and_two("\x00\x00\x00\x3F\x00\x00\x00\x40", 8);

TEST(WeightsTest, Int8TimesTheScaleOfItsRow) {
  const std::string text = int8_file(scale_header, half_and_two);
  const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
  const WeightReader reader(file);
  const auto values = reader.root().get("w", {2, 3});
  const std::vector<float> wanted{0.5f, -0.5f, 63.5f, 0, -254, 4};
  EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), values.data()));
  EXPECT_NO_THROW(reader.finish());
  for (Index begin = 0; begin < 6; ++begin) {
    for (Index count = 0; count <= 6 - begin; ++count) {
      std::vector<float> part(static_cast<std::size_t>(count));
      reader.root().read("w", {2, 3}, begin, count, part.data());
      EXPECT_TRUE(std::equal(part.begin(), part.end(), wanted.begin() + begin)) << begin << " " << count;
    }
  }
}

TEST(WeightsTest, Int8WithoutItsScale) {
  const auto error = [](const std::string& header, const std::string& scales) {
    const std::string text = int8_file(header, scales);
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    const WeightReader reader(file);
    return message_of<WeightError>([&] { reader.root().get("w", {2, 3}); });
  };
  EXPECT_EQ(error("", ""), "m: w: found dtype I8 without w_scale");
  EXPECT_EQ(error(R"(,"w_scale":{"dtype":"F32","shape":[1,2],"data_offsets":[6,14]})", half_and_two),
            "m: w_scale: found F32 (1, 2), wanted F32 (2,)");
  EXPECT_EQ(error(R"(,"w_scale":{"dtype":"F16","shape":[2],"data_offsets":[6,10]})", half_and_two.substr(0, 4)),
            "m: w_scale: found F16 (2,), wanted F32 (2,)");
  EXPECT_EQ(error(scale_header, half_and_two.substr(0, 4) + std::string("\x00\x00\xC0\x7F", 4)),
            "m: w_scale: found a scale that is not finite at element 1");
}

TEST(WeightsTest, HalfTypesThatAreNotFinite) {
  const auto error = [](const std::string& dtype, const char* bytes) {
    const std::string text =
        safetensors_text(R"({"w":{"dtype":")" + dtype + R"(","shape":[2],"data_offsets":[0,4]}})", {bytes, 4});
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    const WeightReader reader(file);
    return message_of<WeightError>([&] { reader.root().get("w", {2}); });
  };
  EXPECT_EQ(error("F16", "\x00\x3C\x00\xFC"), "m: w: found an infinity at element (1,), wanted finite weights");
  EXPECT_EQ(error("BF16", "\x81\x7F\x00\x00"), "m: w: found NaN at element (0,), wanted finite weights");
}

TEST(WeightsTest, UnalignedData) {
  // The header's length decides where the data begins: try every remainder.
  for (std::size_t padding = 0; padding < 8; ++padding) {
    const std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})" + std::string(padding, ' ');
    const std::string text = safetensors_text(header, {"\x00\x00\x80\x3F\x00\x00\x00\xC0", 8});
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    const WeightReader reader(file);
    const AlignedBuffer<float> values = reader.root().get("w", {2});
    EXPECT_EQ(values[0], 1.0f);
    EXPECT_EQ(values[1], -2.0f);
  }
}

TEST(WeightsTest, SeveralThreadsReadAtOnce) {
  constexpr int tensors = 40;
  std::string header = "{", data;
  for (int i = 0; i < tensors; ++i) {
    const float value = static_cast<float>(i);
    header += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) + R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" +
              std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]}";
    data.append(reinterpret_cast<const char*>(&value), 4);
  }
  const std::string text = safetensors_text(header + "}", data);
  const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
  const WeightReader reader(file);
  const WeightScope root = reader.root();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < tensors; i += 4) {
        if (root.get(std::string("t").append(std::to_string(i)), {1})[0] != static_cast<float>(i)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_NO_THROW(reader.finish());
}

}  // namespace beit_test::weights_test
