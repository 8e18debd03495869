// The names of every publisher: files under them become the same model as under timm's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <beit/model/load.hpp>
#include <beit/model/name_tables.hpp>
#include <beit/model/publishers.hpp>
#include <beit/transfer/save_head.hpp>

#include "testing.hpp"

namespace beit_test::name_tables_test {

using beit::Index;
using beit::NameRow;
using beit::NameTable;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// The tensors of a file of ours, which `table` would name otherwise, with a prefix before each.
class Renaming {
 public:
  Renaming(const NameTable& table, std::string trunk, std::string beside)
      : table_(table), trunk_(std::move(trunk)), beside_(std::move(beside)) {}

  ModelFile operator()(const ModelFile& ours) const {
    ModelFile file;
    file.metadata = ours.metadata;
    for (const auto& [name, tensor] : ours.tensors) add(name, tensor, file);
    return file;
  }

 private:
  using Tensor = decltype(ModelFile::tensors)::mapped_type;

  void add(const std::string& name, const Tensor& tensor, ModelFile& file) const {
    for (const auto rows : {table_.rows, table_.more}) {
      for (const NameRow& row : rows) {
        if (row.ours.empty() || !beit::detail::renamed(name, row.ours, row.theirs[0])) continue;
        Tensor whole = tensor;
        if (row.unused_rows > 0) {
          whole.shape.erase(whole.shape.begin());
          whole.shape[0] += row.unused_rows;
          whole.values.insert(whole.values.begin(), static_cast<std::size_t>(row.unused_rows * whole.shape[1]), 9.0f);
        }
        const Index parts = 3 - std::count(row.theirs.begin(), row.theirs.end(), std::string_view());
        whole.shape[0] /= parts;
        const auto size = static_cast<std::ptrdiff_t>(whole.values.size()) / parts;
        for (Index i = 0; i < parts; ++i) {
          Tensor part = whole;
          part.values.assign(whole.values.begin() + i * size, whole.values.begin() + (i + 1) * size);
          file.tensors[(row.beside ? beside_ : trunk_) +
                       *beit::detail::renamed(name, row.ours, row.theirs[static_cast<std::size_t>(i)])] = part;
        }
        return;
      }
    }
    file.tensors[(name.starts_with("head.") || name.starts_with("lm_head.") ? beside_ : trunk_) + name] = tensor;
  }

  const NameTable& table_;
  std::string trunk_, beside_;
};

/// A table, a golden model that can be stored under its names, the prefix of its trunk, and a name as published.
struct Case {
  const NameTable& table;
  const char* model;
  const char* trunk;
  const char* example;
};

const Case cases[]{
    {beit::detail::transformers_memory_names, "model_standard", "beit.", "beit.layers.1.attention.k_proj.weight"},
    {beit::detail::transformers_memory_names, "model_shared", "beit.",
     "beit.shared_position_bias.relative_position_bias_table"},
    {beit::detail::transformers_file_names, "model_standard", "data2vec_vision.",
     "data2vec_vision.encoder.layer.1.attention.attention.key.weight"},
    {beit::detail::mmpretrain_names, "model_standard", "backbone.", "backbone.layers.1.ffn.layers.0.0.bias"},
    {beit::detail::mmpretrain_names, "model_token", "backbone.", "backbone.ln1.weight"},
    {beit::detail::candle_names, "model_standard", "", "norm.bias"},
    {beit::detail::beit3_names, "model_beit3", "beit3.", "beit3.encoder.layers.1.self_attn.k_proj.A.bias"},
    {beit::detail::timm_names, "model_standard", "", "blocks.1.attn.qkv.weight"},
};

ModelFile renamed_file(const Case& c, const std::string& prefix) {
  ModelFile ours = ModelFile::read(std::string(c.model) + ".safetensors");
  nlohmann::json config = ours.config();
  config["layer_norm_eps"] = 1e-6;  // where transformers has 1e-12
  ours.set_config(config);
  ours.metadata["beit.preprocessor"] =
      R"({"image_processor_type": "BeitImageProcessor", "do_center_crop": false, "size": )" +
      config["model_args"]["img_size"].dump() + "}";
  return Renaming(c.table, prefix + c.trunk, prefix)(ours);
}

TEST(NameTables, ModelsUnderOtherNamesAreTheSame) {
  for (const Case& c : cases) {
    for (const std::string prefix : {"", "net.", "module.model."}) {
      const std::string bytes = renamed_file(c, prefix).bytes();
      const auto found = beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "file"});
      const auto wanted = beit::load<float>(golden(std::string(c.model) + ".safetensors"));
      beit::Matrix x(1, wanted.config().in_chans * wanted.config().image_size.area());
      for (Index i = 0; i < x.cols(); ++i) x(0, i) = static_cast<float>(i % 23) / 11.0f - 1.0f;
      EXPECT_EQ(largest_difference(found.forward(x), wanted.forward(x)), 0.0) << prefix << c.example;
    }
  }
}

TEST(NameTables, HaveTheNamesThatArePublished) {
  for (const Case& c : cases) EXPECT_TRUE(renamed_file(c, "").tensors.contains(c.example)) << c.example;
}

TEST(NameTables, AMissingTensorHasThePublishersName) {
  for (const Case& c : cases) {
    ModelFile file = renamed_file(c, "net.");
    file.tensors.erase("net." + std::string(c.example));
    const std::string bytes = file.bytes();
    const auto call = [&] { (void)beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "file"}); };
    if (c.table.marker == beit::detail::candle_names.marker || std::string(c.example).starts_with("beit.shared")) {
      EXPECT_THROW(call(), beit::Error) << c.example;  // other parameters contradict it
    } else {
      EXPECT_THAT(call, ThrowsMessage<beit::WeightError>(AllOf(HasSubstr("file"), HasSubstr(c.example)))) << c.example;
    }
  }
}

// BEiT-3 has a second side for text, which no model here reads, and heads of pre-training.
TEST(NameTables, Beit3sTextSideIsNotRead) {
  const Case& c = cases[6];
  ModelFile file = renamed_file(c, "");
  const std::map<std::string, ModelFile::Entry> tensors = file.tensors;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t side = name.find(".A.");
    if (side != name.npos) file.tensors[name.substr(0, side) + ".B." + name.substr(side + 3)] = tensor;
  }
  for (const char* name : {"beit3.text_embed.weight", "beit3.vision_embed.mask_token", "mlm_head.weight",
                           "mim_head.bias", "language_head.weight", "logit_scale"}) {
    file.reshape(name, {2, 2});
  }
  const std::string bytes = file.bytes();
  EXPECT_NO_THROW((void)beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "file"}));
}

// A trunk of mmsegmentation's or of Microsoft's ADE20K has no last norm, and gives features alone.
TEST(NameTables, TrunksOfSegmentation) {
  for (const NameTable* table : {&beit::detail::mmpretrain_names, &beit::detail::timm_names}) {
    ModelFile ours = ModelFile::read("model_standard.safetensors");
    for (const char* name : {"fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias"}) ours.tensors.erase(name);
    ours.metadata.clear();
    ModelFile file = Renaming(*table, "backbone.", "")(ours);
    const bool mmsegmentation = table == &beit::detail::mmpretrain_names;
    file.reshape(mmsegmentation ? "neck.upsample_4x.0.weight" : "backbone.fpn1.0.weight", {2, 2});
    file.reshape("decode_head.conv_seg.weight", {2, 2});
    const std::string bytes = file.bytes();
    const beit::MemoryFiles memory{as_bytes(bytes), "file"};
    const auto model = beit::load<float>(memory, {.features_only = true});
    EXPECT_FALSE(model.config().use_final_norm);
    EXPECT_EQ(model.config().global_pool, beit::GlobalPool::avg);
    EXPECT_THAT([&] { (void)beit::load<float>(memory); },
                ThrowsMessage<beit::WeightError>(HasSubstr("found a segmentation model")));
  }
}

// timm's VisionTransformer calls the layer scale as candle does, and its norm is no fc_norm.
TEST(NameTables, CandlesNamesWithoutTablesAreTimms) {
  const std::string bytes = ModelFile::read("model_beit3_scale.safetensors").bytes();
  const beit::SafeTensors file = beit::SafeTensors::from_memory(as_bytes(bytes), "file");
  const beit::WeightReader reader(file);
  EXPECT_EQ(beit::detail::publisher_of(reader).name, "timm and Microsoft");
  ModelFile other = ModelFile::read("model_beit3_bare.safetensors");  // a vision transformer like any other
  other.metadata.clear();
  const std::string plain = other.bytes();
  EXPECT_THAT(
      [&] {
        (void)beit::load<float>(beit::MemoryFiles{as_bytes(plain), "file"});
      },
      ThrowsMessage<beit::ConfigError>(HasSubstr("found no number of heads")));
}

// A file with a new head has timm's names, whatever those of its backbone's file are.
TEST(NameTables, HeadsAreSavedUnderTimmsNames) {
  const TemporaryFolder folder;
  const auto target = folder / "head.safetensors";
  for (const Case& c : cases) {
    const std::string bytes = renamed_file(c, "module.model.").bytes();
    const auto model = beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "file"});
    const Index classes = model.config().num_classes;
    const std::vector<float> bias(static_cast<std::size_t>(classes), 1.0f);
    beit::Matrix weight(classes, model.config().embed_dim);
    weight.map().setOnes();
    beit::save_with_head(target, beit::SafeTensors::from_memory(as_bytes(bytes), "file"), model.config(), weight, bias,
                         std::vector<std::string>(static_cast<std::size_t>(classes), "a class"));
    const auto saved = beit::load<float>(target);
    beit::Matrix x(1, model.config().in_chans * model.config().image_size.area());
    for (Index i = 0; i < x.cols(); ++i) x(0, i) = static_cast<float>(i % 23) / 11.0f - 1.0f;
    EXPECT_EQ(largest_difference(saved.forward_features(x), model.forward_features(x)), 0.0) << c.example;
    const ModelFile ours = ModelFile::read(std::string(c.model) + ".safetensors");
    for (const auto& [name, tensor] : ModelFile::read_at(target).tensors) {
      const bool whole_bias = name.ends_with("attn.qkv.bias");  // candle's, which timm's Beit has in two
      EXPECT_TRUE(ours.tensors.contains(name) || whole_bias) << c.example << ": " << name;
    }
  }
}

// convert.py keeps the configuration of transformers when it changes the names to timm's.
TEST(NameTables, TransformersConfigurationBesideTimmsNames) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  const beit::Config wanted = beit::load<float>(golden("model_standard.safetensors")).config();
  file.set_config({{"model_type", "beit"}, {"layer_norm_eps", 1e-3}, {"image_size", wanted.image_size.height}});
  file.metadata["beit.preprocessor"] = nlohmann::json{
      {"image_processor_type", "BeitImageProcessor"},
      {"do_center_crop", false},
      {"size", wanted.image_size.height},
      {"image_mean", {0.25, 0.5, 0.75}}}.dump();
  const std::string bytes = file.bytes();
  const auto model = beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "file"});
  EXPECT_EQ(model.config().layer_norm_eps, 1e-3f);
  EXPECT_EQ(model.config().preprocessing.mean[2], 0.75f);
  EXPECT_EQ(model.config().num_classes, wanted.num_classes);
}

}  // namespace beit_test::name_tables_test
