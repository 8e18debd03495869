// The definitions of weight_files.hpp.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/shard_index.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weight_files.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Throws FileError if a folder without model.safetensors has safetensors files of other names, such as
/// model.fp16.safetensors.
BEIT_COLD inline void refuse_other_names(const std::filesystem::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".safetensors") names.insert(path_text(entry->path().filename()));
  }
  if (names.empty()) return;
  constexpr std::size_t shown = 5;
  std::string list;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (++count <= shown) append_item(list, printable(name));
  }
  if (count > shown) append_item(list, "...");
  throw FileError(
      concat({path_text(folder), ": found ", list, ", wanted model.safetensors: rename the file, or give its path"}));
}

}  // namespace detail

BEIT_COLD BEIT_INLINE std::vector<SafeTensors> open_weight_files(std::filesystem::path path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const std::filesystem::path folder = path, index = folder / "model.safetensors.index.json";
    path = folder / "model.safetensors";
    if (!detail::file_exists(path) && detail::file_exists(index)) path = index;
    for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
      if (detail::file_exists(path) || !detail::file_exists(folder / name)) continue;
      throw FileError(detail::concat(
          {detail::path_text(folder), ": found ", name,
           " only, wanted model.safetensors: convert it with weights_tools/convert.py SOURCE OUTPUT, or a "
           "transformers model with its save_pretrained"}));
    }
    if (!detail::file_exists(path)) detail::refuse_other_names(folder);
  }
  std::vector<SafeTensors> files;
  if (path.extension() != ".json") {
    files.push_back(SafeTensors::open(path));
    return files;
  }
  const std::string where = detail::path_text(path);
  const nlohmann::json index = parse_json(detail::read_text(path), where);
  const std::map<std::string, std::string> shards = detail::read_shard_index(index, where);
  std::set<std::string> names;
  for (const auto& [tensor, name] : shards) names.insert(name);
  for (const std::string& name : names) {
    files.push_back(SafeTensors::open(path.parent_path() / name));
    const SafeTensors& file = files.back();
    for (const auto& [tensor, shard] : shards) {
      if (shard != name || file.tensors().contains(tensor)) continue;
      throw WeightError(detail::concat({file.name(), ": ", detail::printable(tensor),
                                        ": tensor is missing, though the index says that it is here"}));
    }
  }
  return files;
}

}  // namespace beit::inline BEIT_ABI
