// Kinds of models: each function reads its own, and says of every other one what it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <tuple>

#include <beit/model/load.hpp>
#include <beit/model/model_kinds.hpp>

#include "testing.hpp"

namespace beit_test::model_kinds_test {

using beit::LoadOptions;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;

/// The functions that load, by their names.
const std::map<std::string, std::function<void(const beit::Source&, const LoadOptions&)>>& loaders() {
  static const std::map<std::string, std::function<void(const beit::Source&, const LoadOptions&)>> functions{
      {"load", [](const beit::Source& s, const LoadOptions& o) { std::ignore = beit::load<float>(s, o); }},
      {"load_masked_image_model",
       [](const beit::Source& s, const LoadOptions& o) { std::ignore = beit::load_masked_image_model<float>(s, o); }},
      {"load_segmentation_model",
       [](const beit::Source& s, const LoadOptions& o) { std::ignore = beit::load_segmentation_model<float>(s, o); }},
      {"load_tokenizer",
       [](const beit::Source& s, const LoadOptions& o) { std::ignore = beit::load_tokenizer<float>(s, o); }},
  };
  return functions;
}

/// A file or folder of each kind.
beit::Source example(std::string_view kind) {
  if (kind == "a tokenizer") return golden("dvae_one.safetensors");
  if (kind == "a masked-image model") return golden("hugging_face") / "masked";
  if (kind == "a segmentation model") return golden("hugging_face") / "segmentation";
  if (kind == "a BEiT classifier") return golden("model_standard.safetensors");
  if (kind == "a BEiT without a head") return golden("model_headless.safetensors");
  EXPECT_EQ(kind, "BEiT v2's tokenizer") << "a kind without an example";
  return golden("vqkd_bare.safetensors");
}

TEST(ModelKinds, EveryPairOfAFunctionAndAKind) {
  int refused = 0;
  for (const auto& [name, load] : loaders()) {
    const beit::detail::ModelKind& wanted = beit::detail::kind_loaded_by(name);
    for (const beit::detail::ModelKind& kind : beit::detail::model_kinds) {
      const auto call = [&, &load = load] { load(example(kind.name), {}); };
      if (kind.loader == name) {
        EXPECT_NO_THROW(call()) << kind.name;
        continue;
      }
      const std::string which = kind.loader.empty() ? "this library can't load" : std::string(kind.loader) + " reads";
      EXPECT_THAT(call, ThrowsMessage<beit::WeightError>(HasSubstr(": found " + std::string(kind.name) + ", which " +
                                                                   which + ", wanted " + std::string(wanted.name))));
      ++refused;
    }
  }
  EXPECT_EQ(refused, 18);
  for (const beit::detail::ModelKind& kind : beit::detail::model_kinds) {
    EXPECT_TRUE(kind.loader.empty() || loaders().contains(std::string(kind.loader))) << kind.loader;
  }
}

TEST(ModelKinds, FeaturesAreReadOfEveryTrunk) {
  for (const beit::detail::ModelKind& kind : beit::detail::model_kinds) {
    const beit::SourceKind found = beit::inspect(example(kind.name));
    EXPECT_EQ(found.name, kind.name);
    EXPECT_EQ(found.loader, kind.loader);
    EXPECT_EQ(found.trunk, kind.trunk);
    const auto call = [&] { return beit::load<float>(example(kind.name), {.features_only = true}); };
    if (kind.trunk) {
      EXPECT_EQ(call().config().num_classes, 0) << kind.name;
    } else {
      EXPECT_THAT(call, ThrowsMessage<beit::WeightError>(HasSubstr("found " + std::string(kind.name)))) << kind.name;
    }
  }
  EXPECT_THAT([] { return beit::load<float>(example("a segmentation model")); },
              ThrowsMessage<beit::WeightError>(HasSubstr("LoadOptions::features_only reads its trunk")));
}

TEST(ModelKinds, WhatIsNoneSaysWhatMakesOne) {
  ModelFile file;
  file.reshape("x", {1});
  const std::string bytes = file.bytes();
  const beit::MemoryFiles memory{as_bytes(bytes), "x.safetensors"};
  EXPECT_EQ(beit::inspect(memory).name, "no model");
  EXPECT_THAT([&] { return beit::load<float>(memory); },
              ThrowsMessage<beit::WeightError>(
                  "x.safetensors: found no model, wanted a BEiT classifier: weights_tools/convert.py makes one"));
  EXPECT_THAT([&] { return beit::load_tokenizer<float>(memory); },
              ThrowsMessage<beit::WeightError>(HasSubstr("wanted a tokenizer: weights_tools/convert_tokenizer.py")));
}

TEST(ModelKinds, OptionsOfOthersAreRefused) {
  const std::map<std::string, LoadOptions> given{{"features_only", {.features_only = true}},
                                                 {"labels", {.labels = {"a"}}},
                                                 {"encoder", {.encoder = false}},
                                                 {"decoder", {.decoder = false}},
                                                 {"precision", {.precision = beit::Precision::int8}}};
  ASSERT_EQ(given.size(), beit::detail::option_rows.size());
  int refused = 0;
  for (const beit::detail::OptionRow& row : beit::detail::option_rows) {
    for (const auto& [name, load] : loaders()) {
      if (row.loader == name || row.another == name) continue;
      const LoadOptions& options = given.at(std::string(row.name));
      EXPECT_THAT(
          ([&, &load = load] { load("no such file", options); }),
          ThrowsMessage<beit::ArgumentError>(AllOf(StartsWith(name + ": found the option " + std::string(row.name)),
                                                   HasSubstr("which " + row.takers()))));
      ++refused;
    }
  }
  EXPECT_EQ(refused, 15);
  EXPECT_EQ(beit::detail::option_rows[0].takers(), "load takes");
  EXPECT_EQ(beit::detail::option_rows[1].takers(), "load and load_segmentation_model take");
}

}  // namespace beit_test::model_kinds_test
