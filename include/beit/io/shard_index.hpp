// The index of a model that its publisher split into several safetensors files.
#pragma once

#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Reads an index's `weight_map`, from tensors to the shards that hold them. ConfigError if there is none, or if a
/// shard isn't a file in the same folder.
BEIT_COLD inline std::map<std::string, std::string> read_shard_index(const nlohmann::json& json,
                                                                     const std::string& where) {
  const nlohmann::json::object_t* const root = object_in(json);
  const nlohmann::json* const field =
      root == nullptr || !root->contains("weight_map") ? nullptr : &root->at("weight_map");
  const nlohmann::json::object_t* const weight_map = field == nullptr ? nullptr : object_in(*field);
  if (weight_map == nullptr || weight_map->empty()) {
    throw ConfigError(concat({where,
                              field == nullptr ? std::string(": found no weight_map")
                                               : concat({": weight_map: found ", printable(json_text(*field), 60)}),
                              ", wanted an object from at least one tensor to its file"}));
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, file] : *weight_map) {
    const std::string* const name = string_in(file);
    if (name == nullptr || !name->ends_with(".safetensors") || name->find_first_of("/\\:") != std::string::npos) {
      throw ConfigError(concat({where, ": weight_map: ", printable(tensor), ": found ", printable(json_text(file), 60),
                                ", wanted the name of a .safetensors file in the same folder"}));
    }
    shards.insert({tensor, *name});
  }
  return shards;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
