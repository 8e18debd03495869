// Tests damaged configurations: each of many random mutations of a good one makes a model or throws a beit::Error.
#include "../fuzz/config_fuzz.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <exception>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace beit_test::config_mutation_test {

using config_fuzz::Positions;
using nlohmann::json;

json good_config() {
  return json::parse(R"({
    "architecture": "beit_base_patch16_224", "num_classes": 3, "num_features": 4, "global_pool": "avg",
    "model_args": {"img_size": 4, "patch_size": 2, "in_chans": 3, "num_classes": 3, "global_pool": "avg",
                   "embed_dim": 4, "depth": 1, "num_heads": 2, "qkv_bias": true, "mlp_ratio": 2.0,
                   "init_values": 0.1, "use_fc_norm": true},
    "label_names": ["a", "b", "c"], "label_descriptions": {"a": "an a", "b": "a b"},
    "pretrained_cfg": {"input_size": [3, 4, 4], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
                       "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}})");
}

/// config.json, preprocessor_config.json and model.safetensors.index.json of Hugging Face.
json good_hugging_face() {
  return json::parse(R"([{
    "architectures": ["BeitForImageClassification"], "model_type": "beit", "hidden_act": "gelu", "hidden_size": 4,
    "id2label": {"0": "a", "1": "b", "2": "c"}, "image_size": 4, "intermediate_size": 8, "layer_norm_eps": 1e-12,
    "layer_scale_init_value": 0.1, "num_attention_heads": 2, "num_channels": 3, "num_hidden_layers": 1,
    "patch_size": 2, "use_mean_pooling": true},
   {"do_resize": true, "size": {"height": 6, "width": 5}, "do_center_crop": true, "crop_size": 4, "resample": 2,
    "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
   {"metadata": {"total_size": 8}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}])");
}

/// The configuration of a segmentation model: transformers', or a converted file's.
json good_segmentation(bool transformers) {
  json config = json::parse(R"({"out_indices": [1, 2, 3, 4], "pool_scales": [2]})");
  config.update(json::parse(transformers ? R"({"model_type": "beit", "hidden_size": 4, "image_size": 4,
      "id2label": {"0": "a", "1": "b", "2": "c"}, "num_hidden_layers": 5})"
                                         : R"({"architecture": "beit_base_patch16_224", "model_args": {"img_size": 4},
      "label_names": ["a", "b", "c"], "palette": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
      "pretrained_cfg": {"input_size": [3, 4, 4], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}})"));
  return config;
}

const std::vector<json>& hostile_values() {
  static const std::vector<json> values = [] {
    json list = json::parse(R"([
      null, true, false, "", "avg", "token", "squash", "border", "lanczos", "nearest", "beitv2_large_patch16_224.x",
      "18446744073709551615", "-1", "\u0000\u001f\ud83d\ude00", 0, -0.0, 1, -1, 2, 3, 4, 6, 8, 16, 224, 1000, 4096,
      65536, 100000, 999999999, 1000000000, 1000000001, 2147483647, 2147483648, 4294967295, 4294967296,
      9223372036854775807, 9223372036854775808, 18446744073709551615, 18446744073709551616, -9223372036854775808,
      0.5, 0.9, 1.5, 1e-9, 1e-300, 5e-324, -0.5, 1e9, 3.5e38, 1e300, -1e300, [], [3], [4, 4], [4, 2], [1000000000, 2],
      [3, 4, 4], [3, 6, 4], [3, 1000000000, 1000000000],
      [3, 200000, 200000], [0, 0, 0], [-1, 1, 1], [1e300, 1e300, 1e300], ["a", "b", "c"],
      [null, null, null], [[]], {}, {"0": "x"}, {"2": "a", "1": "b"}, {"02": "a", "2": "b"}, {"3": "a"}, {"-1": "a"},
      [1, 2], [65], [1, 2, 4, 4], [0, 1, 2, 3], [1, 2, 3, 5], [[1, 2, 256], [0, 0, 0], [0, 0, 0]],
      {"999999999": "a"}, {"99999999999999999999": "a"}, {"": "a"}, {"0": 1}, {"a": null}, {"a": {"a": "a"}}])");
    list.push_back(std::string(10000, 'x'));
    return list.get<std::vector<json>>();
  }();
  return values;
}

/// Every value in `root` that can be changed.
void collect(json& value, std::vector<json*>& found) {
  found.push_back(&value);
  if (!value.is_structured()) return;
  for (json& child : value) collect(child, found);
}

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  /// Makes one to three changes to values anywhere, and sometimes one to the text.
  std::string mutate(json config) {
    if (below(2) == 0 && config.is_array()) config[1] = nullptr;
    // The image size is then stated only once, so that changing it is no contradiction.
    if (below(2) == 0 && config.contains("model_args")) config["model_args"].erase("img_size");
    for (std::size_t n = 1 + below(3); n-- > 0;) change(config);
    std::string text = config.dump();
    if (below(16) == 0) {
      const std::size_t at = below(text.size());
      if (below(2) == 0) {
        text[at] = static_cast<char>(below(256));
      } else {
        text.resize(at);
      }
    }
    return text;
  }

 private:
  // std::uniform_int_distribution gives different numbers with different standard libraries.
  std::size_t below(std::size_t limit) { return random_() % limit; }

  void change(json& config) {
    static const std::vector<const char*> keys{"img_size",
                                               "num_heads",
                                               "label_names",
                                               "input_size",
                                               "pretrained_cfg",
                                               "model_args",
                                               "scale_mlp",
                                               "use_rel_pos_bias",
                                               "swiglu_mlp",
                                               "use_abs_pos_emb",
                                               "global_pool",
                                               "std",
                                               "num_classes",
                                               "label_descriptions",
                                               "0",
                                               "a",
                                               "init_values",
                                               "use_shared_rel_pos_bias",
                                               "do_center_crop",
                                               "crop_size",
                                               "rescale_factor",
                                               "resample",
                                               "id2label",
                                               "height",
                                               "layer_norm_eps",
                                               "use_absolute_position_embeddings",
                                               "out_indices",
                                               "pool_scales",
                                               "palette"};
    std::vector<json*> values;
    collect(config, values);
    json& value = *values[below(values.size())];
    const json& hostile = hostile_values()[below(hostile_values().size())];
    switch (below(6)) {
      case 0:  // remove
        if (value.is_structured() && !value.empty()) {
          value.erase(std::next(value.begin(), static_cast<std::ptrdiff_t>(below(value.size()))));
        }
        break;
      case 1:  // add
        if (value.is_object()) value[keys[below(keys.size())]] = hostile;
        if (value.is_array()) value.push_back(hostile);
        break;
      case 2: {  // copy from elsewhere
        const json other = *values[below(values.size())];
        value = other;
        break;
      }
      default:
        // Changes whole branches rarely, because most of the configuration would be gone.
        if (!value.is_object() || below(8) == 0) value = hostile;
    }
  }

  std::mt19937 random_;
};

constexpr int count = 2000;  // tests/fuzz makes many more

/// Calls use(positions, text) for `count` mutations of `good`. Each must make a model or throw an error of the library,
/// and enough of each must occur.
template <typename Use>
void try_mutations(const json& good, const Use& use) {
  constexpr Positions all[] = {Positions::table, Positions::shared, Positions::absolute, Positions::none};
  for (const Positions positions : all) ASSERT_NO_THROW(use(positions, good.dump()));
  Mutator mutator(20240501);
  int models = 0, config_errors = 0, weight_errors = 0, other = 0;
  for (int i = 0; i < count; ++i) {
    const std::string text = mutator.mutate(good);
    try {
      use(all[i % 4], text);
      ++models;
    } catch (const beit::ConfigError& error) {
      ++config_errors;
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      ASSERT_LT(std::string(error.what()).size(), 1000u) << error.what();
    } catch (const beit::WeightError&) {
      ++weight_errors;
    } catch (const beit::Error&) {
      ++other;
    } catch (const std::exception& error) {
      FAIL() << "mutation " << i << " of positions " << i % 4 << ": " << error.what() << "\n" << text;
    }
  }
  // Checks that the mutations reach every stage.
  EXPECT_GT(models, count / 20);
  EXPECT_GT(config_errors, count / 20);
  EXPECT_GT(weight_errors, 0);
  testing::Test::RecordProperty("models", models);
  testing::Test::RecordProperty("other_errors", other);
}

TEST(ConfigMutation, MakesAModelOrGivesAnErrorOfTheLibrary) {
  try_mutations(good_config(), [](Positions positions, const std::string& text) { config_fuzz::use(positions, text); });
}

TEST(ConfigMutation, OfHuggingFaceMakesAModelOrGivesAnErrorOfTheLibrary) {
  try_mutations(good_hugging_face(),
                [](Positions positions, const std::string& text) { config_fuzz::use_hugging_face(positions, text); });
}

TEST(ConfigMutation, OfSegmentationMakesAModelOrGivesAnErrorOfTheLibrary) {
  for (const bool transformers : {false, true}) {
    try_mutations(good_segmentation(transformers),
                  [](Positions, const std::string& text) { config_fuzz::use_segmentation(text); });
  }
}

}  // namespace beit_test::config_mutation_test
