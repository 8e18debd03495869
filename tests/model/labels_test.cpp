// Tests the names of classes: files of their own, and ImageNet's.
#include <beit/model/labels.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/imagenet_labels.hpp>

#include "testing.hpp"

namespace beit_test::labels_test {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::string> read(const std::string& text) { return beit::labels_from_text(text, "file"); }

TEST(Labels, OfLines) {
  EXPECT_THAT(read("tench, Tinca tinca\ngoldfish\n"), ElementsAre("tench, Tinca tinca", "goldfish"));
  EXPECT_THAT(read("\xEF\xBB\xBF"
                   "a\r\n\r\nc d\r\n\r\n"),
              ElementsAre("a", "", "c d"));
}

TEST(Labels, OfJson) {
  for (const char* const text : {
           R"(["a", "b"])",
           R"({"0": "a", "1": "b"})",
           R"({"0": ["n01440764", "a"], "1": ["n01443537", "b"]})",
           R"({"b": 1, "a": 0})",
           R"({"id2label": {"1": "b", "0": "a"}, "num_labels": 2})",
           R"({"architecture": "x", "label_names": ["a", "n2"], "label_descriptions": {"n2": "b"}})",
           R"({"architecture": "x", "pretrained_cfg": {"label_names": ["a", "b"]}})",
       }) {
    EXPECT_THAT(read(text), ElementsAre("a", "b")) << text;
  }
}

TEST(Labels, ThatAreNone) {
  const auto error = [](const std::string& text) { return ThrowsMessage<beit::ConfigError>(HasSubstr(text)); };
  EXPECT_THAT([] { read(""); }, error("file: found no names, wanted the names of the classes"));
  EXPECT_THAT([] { read("\n\n"); }, error("file: found no names"));
  EXPECT_THAT([] { read("{}"); }, error("file: found no names"));
  EXPECT_THAT([] { read(R"({"0": "a", "2": "b"})"); }, error("wanted one name for each index from 0 to 1, not \"2\""));
  EXPECT_THAT([] { read(R"({"a": 0, "b": 0})"); }, error("wanted one name for each index from 0 to 1, not \"b\""));
  EXPECT_THAT([] { read(R"({"a": "b"})"); }, error("wanted names by index or indices by name, not \"a\""));
  EXPECT_THAT([] { read(R"([{"a": 1}])"); }, error("wanted a string"));
  EXPECT_THAT([] { read(R"(["a")"); }, error("file: not valid JSON"));
}

TEST(Labels, FromAFile) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "labels.txt";
  EXPECT_THROW(std::ignore = beit::read_labels(path), beit::FileError);
  std::ofstream(path) << "a\nb";
  EXPECT_THAT(beit::read_labels(path), ElementsAre("a", "b"));
}

TEST(Labels, OfImageNet) {
  const std::vector<std::string> labels = beit::imagenet_labels();
  ASSERT_EQ(labels.size(), 1000u);
  EXPECT_EQ(labels[0], "tench, Tinca tinca");
  EXPECT_EQ(labels[285], "Egyptian cat");
  EXPECT_EQ(labels[999], "toilet tissue, toilet paper, bathroom tissue");
  // Two classes are called crane, the bird and the machine.
  EXPECT_EQ(std::set<std::string>(labels.begin(), labels.end()).size(), 999u);
  EXPECT_TRUE(std::none_of(labels.begin(), labels.end(), [](const std::string& label) { return label.empty(); }));
}

}  // namespace beit_test::labels_test
