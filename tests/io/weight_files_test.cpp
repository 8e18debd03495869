#include <beit/io/weight_files.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/core/error.hpp>

#include "../testing.hpp"

namespace beit_test::weight_files_test {

using testing::HasSubstr;

/// A safetensors file with one tensor of one float.
std::string file_of(const std::string& tensor) {
  return safetensors_text("{\"" + tensor + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "abcd");
}

std::vector<std::string> tensors_of(const std::filesystem::path& path) {
  std::vector<std::string> names;
  for (const beit::SafeTensors& file : beit::open_weight_files(path)) {
    for (const auto& [name, tensor] : file.tensors()) names.push_back(name);
  }
  return names;
}

std::string refusal_of(const std::filesystem::path& path) {
  return message_of([&] { return tensors_of(path).size(); });
}

TEST(WeightFiles, AreAFileOrAFolder) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", file_of("x"));
  folder.write("other.safetensors", file_of("y"));
  EXPECT_THAT(tensors_of(folder / "other.safetensors"), testing::ElementsAre("y"));
  EXPECT_THAT(tensors_of(folder.path()), testing::ElementsAre("x"));
}

TEST(WeightFiles, AreTheShardsOfAnIndex) {
  const TemporaryFolder folder;
  folder.write("1.safetensors", file_of("x"));
  folder.write("2.safetensors", file_of("y"));
  const std::filesystem::path index =
      folder.write("model.safetensors.index.json", R"({"weight_map":{"x":"1.safetensors","y":"2.safetensors"}})");
  EXPECT_THAT(tensors_of(index), testing::ElementsAre("x", "y"));
  EXPECT_THAT(tensors_of(folder.path()), testing::ElementsAre("x", "y"));
  folder.write("model.safetensors", file_of("z"));  // which comes before an index
  EXPECT_THAT(tensors_of(folder.path()), testing::ElementsAre("z"));
}

TEST(WeightFiles, AnIndexIsRefusedThatNamesWhatIsNotThere) {
  const TemporaryFolder folder;
  folder.write("1.safetensors", file_of("x"));
  const auto refused = [&](const std::string& text) { return refusal_of(folder.write("i.json", text)); };
  EXPECT_THAT(refused(R"({"weight_map":{"y":"1.safetensors"}})"),
              HasSubstr("1.safetensors: y: tensor is missing, though the index says"));
  EXPECT_THAT(refused(R"({"weight_map":{"x":"2.safetensors"}})"), HasSubstr("2.safetensors: found nothing there"));
  EXPECT_THAT(refused(R"({"weight_map":{"x":"../1.safetensors"}})"), HasSubstr("in the same folder"));
  EXPECT_THAT(refused(R"({"weight_map":{"x":"1.bin"}})"), HasSubstr("found \"1.bin\", wanted the name of"));
  EXPECT_THAT(refused(R"({"weight_map":{}})"),
              HasSubstr("i.json: weight_map: found {}, wanted an object from at least"));
  EXPECT_THAT(refused("[]"), HasSubstr("i.json: found no weight_map"));
  EXPECT_THAT(refused("{"), HasSubstr("i.json: not valid JSON"));
}

TEST(WeightFiles, OthersAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal_of(folder / "none.safetensors"), HasSubstr("none.safetensors: found nothing there, wanted a"));
  EXPECT_THAT(refusal_of(folder.path()), HasSubstr("model.safetensors: found nothing there, wanted a"));
  folder.write("pytorch_model.bin", "PK");
  EXPECT_THAT(refusal_of(folder.path()), HasSubstr("found pytorch_model.bin only, wanted model.safetensors"));
}

}  // namespace beit_test::weight_files_test
