// Opens the files of a model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/weight_files.hpp>
#include <beit/model/labels.hpp>
#include <beit/model/source.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The text of a JSON file beside the weights.
struct ConfigText {
  std::string where;  ///< Its name in messages; empty if there is no such file.
  std::string text;

  /// The value of the text; null if there is no such file. ConfigError if it isn't JSON.
  BEIT_COLD nlohmann::json parse() const { return where.empty() ? nlohmann::json() : parse_json(text, where); }
};

/// The files of a model.
struct ModelFiles {
  std::vector<SafeTensors> weights;  ///< One file or several shards; at least one.
  std::string name;                  ///< Their name in messages.
  ConfigText config, preprocessor, processor;
  bool carried = false;             ///< Whether the weights carry the configuration.
  std::vector<std::string> labels;  ///< Names of the classes that were given beside the configuration.
};

/// The key of the configuration in the metadata of the weights that weights_tools writes.
inline constexpr const char* own_config = "beit.config";
/// The key of the preprocessing, if the configuration has none or can't state it: the arguments of transformers' image
/// processor, or the fields of timm's pretrained_cfg.
inline constexpr const char* own_preprocessor = "beit.preprocessor";

/// Opens files in memory.
BEIT_COLD inline ModelFiles open_memory_files(const MemoryFiles& memory) {
  ModelFiles files;
  files.weights.push_back(SafeTensors::from_memory(memory.weights, memory.name));
  files.name = memory.name;
  const auto beside = [&](const char* name, std::string_view text) {
    return text.empty() ? ConfigText{} : ConfigText{concat({memory.name, ": ", name}), std::string(text)};
  };
  files.config = beside("config.json", memory.config);
  files.preprocessor = beside("preprocessor_config.json", memory.preprocessor);
  if (!memory.labels.empty()) files.labels = labels_from_text(memory.labels, concat({memory.name, ": labels"}));
  return files;
}

/// Opens the files at a path: only weights; or, for a folder, a file called model.safetensors or an index of shards,
/// the folder's weights and configuration.
BEIT_COLD inline ModelFiles open_files_at(const std::filesystem::path& path) {
  ModelFiles files;
  files.weights = open_weight_files(path);
  files.name = files.weights.size() == 1 ? files.weights[0].name() : path_text(path);
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  const bool of_folder = folder || path.filename() == "model.safetensors" || path.extension() == ".json";
  if (!of_folder || files.weights.front().metadata().contains(own_config)) return files;
  const auto beside = [&](const char* name) {
    const std::filesystem::path file = (folder ? path : path.parent_path()) / name;
    return file_exists(file) ? ConfigText{path_text(file), read_text(file)} : ConfigText{};
  };
  files.config = beside("config.json");
  files.preprocessor = beside("preprocessor_config.json");
  files.processor = beside("processor_config.json");
  return files;
}

/// Opens the files of a model. A configuration that the weights carry takes precedence over those beside them. Throws
/// FileError, WeightError or ConfigError as open_weight_files does.
BEIT_COLD inline ModelFiles open_model_files(const Source& source) {
  ModelFiles files = source.files() != nullptr ? open_memory_files(*source.files()) : open_files_at(source.path());
  const SafeTensors& first = files.weights.front();
  if (first.metadata().contains(own_config)) {
    const auto text = [&](const char* key) {
      const auto entry = first.metadata().find(key);
      return entry == first.metadata().end() ? ConfigText{}
                                             : ConfigText{concat({first.name(), ": ", key}), entry->second};
    };
    files.config = text(own_config);
    files.preprocessor = text(own_preprocessor);
    files.processor = {};
    files.carried = true;
  }
  return files;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
