// Names of parameters that tables translate: of publishers that are read, and of made-up ones with all that others
// have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include <beit/io/safetensors.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/publishers.hpp>
#include <beit/model/weight_names.hpp>

#include "testing.hpp"

namespace beit_test::weight_names_test {

using beit::Index;
using beit::NameRow;
using beit::NameTable;
using beit::TimmNames;
using beit::detail::renamed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// A file of tensors that count from a number of their own, and its names by a table.
class Named {
 public:
  Named(const std::vector<std::pair<std::string, std::vector<Index>>>& tensors, const NameTable& table)
      : bytes_(bytes_of(tensors)),
        file_(beit::SafeTensors::from_memory(as_bytes(bytes_), "file")),
        reader_(file_),
        names_(reader_, table) {}

  const beit::WeightReader& reader() const { return reader_; }
  const TimmNames& names() const { return names_; }
  std::vector<float> values(const std::string& name) const {
    const beit::AlignedBuffer<float> values = names_.get(name, names_.shape(name));
    return {values.data(), values.data() + values.size()};
  }

 private:
  static std::string bytes_of(const std::vector<std::pair<std::string, std::vector<Index>>>& tensors) {
    ModelFile file;
    for (const auto& [name, shape] : tensors) {
      file.reshape(name, shape);
      std::vector<float>& values = file.tensors[name].values;
      std::iota(values.begin(), values.end(), 100.0f * static_cast<float>(file.tensors.size()));
    }
    return file.bytes();
  }

  std::string bytes_;
  beit::SafeTensors file_;
  beit::WeightReader reader_;
  TimmNames names_;
};

TEST(Renamed, ReplacesTheBeginningAndKeepsTheNumber) {
  EXPECT_EQ(renamed("blocks.12.norm1.weight", "blocks.*.norm1.", "layer.*.ln."), "layer.12.ln.weight");
  EXPECT_EQ(renamed("head.weight", "head.", "classifier."), "classifier.weight");
  EXPECT_EQ(renamed("cls_token", "cls_token", "embeddings.cls_token"), "embeddings.cls_token");
  EXPECT_EQ(renamed("a.b", "", ""), "a.b");
  EXPECT_EQ(renamed("blocks..norm1.weight", "blocks.*.norm1.", "layer.*."), std::nullopt);
  EXPECT_EQ(renamed("blocks.x.norm1.weight", "blocks.*.norm1.", "layer.*."), std::nullopt);
  EXPECT_EQ(renamed("blocks.1.norm2.weight", "blocks.*.norm1.", "layer.*."), std::nullopt);
  EXPECT_EQ(renamed("block", "blocks.*.norm1.", "layer.*."), std::nullopt);
  EXPECT_EQ(renamed("hea", "head.", "classifier."), std::nullopt);
}

// Tests the features of publishers' tables: numbers in names, alternatives, joined and ignored tensors, unused rows.
constexpr std::array<NameRow, 10> made_up_names{{
    {"blocks.*.norm1.", {"layers.*.ln1."}},
    {"blocks.*.attn.qkv.", {"layers.*.q.A.", "layers.*.k.A.", "layers.*.v.A."}},
    {"", {"layers.*.q.B."}},
    {"blocks.*.", {"layers.*."}},
    {"pos_embed", {"positions.A.weight"}, false, 2},
    {"norm.", {"ln1."}},
    {"norm.", {"neck.norm."}, true},
    {"fc_norm.", {"ln2."}},
    {"lm_head.", {"head.cls_head."}, true},
    {"", {"target_generator."}, true},
}};
constexpr NameTable made_up{"layers.0.ln1.weight", made_up_names};

TEST(TimmNames, TranslateByAnyTable) {
  const Named file({{"backbone.layers.0.ln1.weight", {2}},     // 100 ...
                    {"backbone.layers.0.q.A.weight", {1, 2}},  // 200
                    {"backbone.layers.0.k.A.weight", {1, 2}},  // 300
                    {"backbone.layers.0.v.A.weight", {1, 2}},  // 400
                    {"backbone.layers.0.q.B.weight", {1, 2}},  // 500
                    {"backbone.positions.A.weight", {5, 2}},   // 600
                    {"backbone.layers.0.gamma_1", {2}},        // 700
                    {"neck.norm.weight", {2}},                 // 800
                    {"head.cls_head.weight", {3, 2}},          // 900
                    {"target_generator.weight", {1}}},         // 1000
                   made_up);
  EXPECT_THAT(file.values("blocks.0.norm1.weight"), ElementsAre(100, 101));
  EXPECT_THAT(file.values("blocks.0.attn.qkv.weight"), ElementsAre(200, 201, 300, 301, 400, 401));
  EXPECT_THAT(file.names().shape("blocks.0.attn.qkv.weight"), ElementsAre(3, 2));
  EXPECT_THAT(file.names().shape("pos_embed"), ElementsAre(1, 3, 2));
  EXPECT_THAT(file.values("pos_embed"), ElementsAre(604, 605, 606, 607, 608, 609));
  EXPECT_THAT(file.values("blocks.0.gamma_1"), ElementsAre(700, 701));
  EXPECT_THAT(file.values("norm.weight"), ElementsAre(800, 801));
  EXPECT_TRUE(file.names().has("lm_head.weight"));
  EXPECT_TRUE(file.names().has_any("lm_head."));
  EXPECT_FALSE(file.names().has("fc_norm.weight"));
  EXPECT_FALSE(file.names().has_any("target_generator"));
  EXPECT_THAT([&] { file.reader().finish(); },
              ThrowsMessage<beit::WeightError>("file: 1 unexpected tensor: head.cls_head.weight (3, 2)"))
      << "all others are read, or no model has them";
  file.names().ignore("lm_head.");
  EXPECT_NO_THROW(file.reader().finish());
}

TEST(TimmNames, TheFirstRowOfAParameterCounts) {
  const Named file({{"backbone.layers.0.ln1.weight", {1}}, {"backbone.ln1.weight", {1}}, {"neck.norm.weight", {1}}},
                   made_up);
  EXPECT_THAT(file.values("norm.weight"), ElementsAre(200));
  file.names().ignore("blocks.");
  EXPECT_THAT([&] { file.reader().finish(); }, ThrowsMessage<beit::WeightError>(HasSubstr("neck.norm.weight")));
}

TEST(TimmNames, PartsOfAJoinedParameterAreRead) {
  const Named file({{"layers.0.ln1.weight", {1}},
                    {"layers.0.q.A.weight", {2, 2}},   // 200 ...
                    {"layers.0.k.A.weight", {2, 2}},   // 300
                    {"layers.0.v.A.weight", {2, 2}}},  // 400
                   made_up);
  const std::vector<Index> shape{6, 2};
  for (Index begin = 0; begin < 12; ++begin) {
    for (Index count = 1; begin + count <= 12; ++count) {
      std::vector<float> found(static_cast<std::size_t>(count)), wanted;
      file.names().read("blocks.0.attn.qkv.weight", shape, begin, count, found.data());
      for (Index i = begin; i < begin + count; ++i) wanted.push_back(static_cast<float>(200 + i / 4 * 100 + i % 4));
      EXPECT_EQ(found, wanted) << begin << " " << count;
    }
  }
}

TEST(TimmNames, MessagesSayTheNamesOfTheFile) {
  const Named file({{"m.backbone.layers.0.ln1.weight", {2}},
                    {"m.backbone.layers.0.q.A.weight", {1, 2}},
                    {"m.backbone.positions.A.weight", {5, 2}}},
                   made_up);
  const auto says = [](const char* message) { return ThrowsMessage<beit::WeightError>(HasSubstr(message)); };
  EXPECT_THAT([&] { file.values("lm_head.bias"); }, says("file: m.head.cls_head.bias: tensor is missing"));
  EXPECT_THAT([&] { file.values("norm.bias"); }, says("file: m.backbone.ln1.bias: tensor is missing"));
  EXPECT_THAT([&] { file.values("cls_token"); }, says("file: m.backbone.cls_token: tensor is missing"));
  EXPECT_THAT([&] { file.values("blocks.1.gamma_2"); }, says("file: m.backbone.layers.1.gamma_2: tensor is missing"));
  EXPECT_THAT([&] { file.values("blocks.0.attn.qkv.weight"); },
              says("file: m.backbone.layers.0.k.A.weight: tensor is missing"));
  const std::vector<Index> shape{1, 4, 2};
  EXPECT_THAT([&] { file.names().get("pos_embed", shape); },
              says("file: m.backbone.positions.A.weight: found shape (5, 2), wanted (6, 2)"));
}

TEST(TimmNames, WithoutTheMarkerNamesAreTakenAsTheyAre) {
  const Named none({{"blocks.0.norm1.weight", {2}}}, {"cls_token", {}});
  EXPECT_TRUE(none.names().has("blocks.0.norm1.weight"));
  const Named two({{"a.cls_token", {1, 1, 2}}, {"b.cls_token", {1, 1, 2}}}, {"cls_token", {}});
  EXPECT_TRUE(two.names().has("a.cls_token"));
  EXPECT_FALSE(two.names().has("cls_token"));
  const Named other({{"mycls_token", {1, 1, 2}}}, {"cls_token", {}});
  EXPECT_FALSE(other.names().has("cls_token"));
}

TEST(Publishers, AreToldByTheirMarkers) {
  using beit::detail::publisher_of;
  const Named hugging_face({{"beit.embeddings.cls_token", {1, 1, 2}}}, {"", {}});
  EXPECT_EQ(publisher_of(hugging_face.reader()).name, "Hugging Face transformers");
  const Named timm({{"model.cls_token", {1, 1, 2}}}, {"", {}}), none({{"x", {1}}}, {"", {}});
  EXPECT_EQ(publisher_of(timm.reader()).name, "timm and Microsoft");
  EXPECT_EQ(publisher_of(none.reader()).name, "timm and Microsoft");
  const beit::detail::Publisher more[]{{"made up", made_up, nullptr, nullptr}, beit::detail::publishers.back()};
  const Named file({{"backbone.cls_token", {1}}, {"backbone.layers.0.ln1.weight", {1}}}, {"", {}});
  EXPECT_EQ(publisher_of(file.reader(), more).name, "made up");
  EXPECT_EQ(publisher_of(timm.reader(), more).name, "timm and Microsoft");
}

// transformers has a norm for the trunk and one for the head, either alone, or none.
TEST(Publishers, TransformersNormsAreTheTrunksOrTheHeads) {
  const NameTable& table = beit::detail::transformers_file_names;
  const std::pair<std::string, std::vector<Index>> trunk{"beit.layernorm.weight", {1}}, head{"layernorm.weight", {1}};
  const Named both({{"beit.embeddings.cls_token", {1, 1, 1}}, trunk, head}, table);
  EXPECT_THAT(both.values("norm.weight"), ElementsAre(200));
  EXPECT_THAT(both.values("lm_norm.weight"), ElementsAre(300));
  const Named beside({{"beit.embeddings.cls_token", {1, 1, 1}}, head}, table);
  EXPECT_THAT(beside.values("norm.weight"), ElementsAre(200));
  EXPECT_FALSE(beside.names().has("lm_norm.weight"));
  const Named bare({{"embeddings.cls_token", {1, 1, 1}}, head}, table);
  EXPECT_THAT(bare.values("norm.weight"), ElementsAre(200));
  EXPECT_FALSE(bare.names().has("lm_norm.weight"));
}

}  // namespace beit_test::weight_names_test
