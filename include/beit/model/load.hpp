// From a path to a model.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <beit/core/error.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/config_reader.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The text of a file; FileError where it can't be read.
inline std::string read_text(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The model in `file`, configured by `config_path`, or by the file's own metadata where that is empty.
template <typename Weight>
Beit<Weight> load_from(const SafeTensors& file, const std::filesystem::path& config_path, const Executor& executor) {
  nlohmann::json json;
  std::string where = file.name();
  if (!config_path.empty()) {
    where = path_text(config_path);
    json = parse_json(read_text(config_path), where);
  } else if (const auto found = file.metadata().find("beit.config"); found != file.metadata().end()) {
    where += ": beit.config";
    json = parse_json(found->second, where);
  }
  const WeightReader reader(file);
  const WeightScope root = reader.root(executor);
  Beit<Weight> model(read_config(root, json, where), root);
  reader.finish();
  return model;
}

}  // namespace detail

/// Loads a model.
///
/// `path` is one of: a folder with timm's published pair, `model.safetensors` and `config.json`; a file that
/// weights_tools/convert.py wrote; a bare safetensors file with timm's names, whose architecture then follows
/// from its shapes. A file called model.safetensors is read with the config.json beside it, if there is one.
/// Weights in the file may be float32, float16, bfloat16 or int8 with scales, whatever Weight is: they are rounded or
/// quantised here, on the threads of `executor`: a pool's, which isn't needed afterwards.
/// FileError, WeightError or ConfigError where that fails; the message names the file and what is wrong.
template <typename Weight = float>
Beit<Weight> load(const std::filesystem::path& path, const Executor& executor = default_thread_pool()) {
  std::error_code ignored;  // what can't be looked at can't be opened either, and MappedFile says why
  const bool folder = std::filesystem::is_directory(path, ignored);
  const std::filesystem::path weights = folder ? path / "model.safetensors" : path;
  const SafeTensors file = SafeTensors::open(weights);
  std::filesystem::path config;
  if (weights.filename() == "model.safetensors" && !file.metadata().contains("beit.config")) {
    config = weights.parent_path() / "config.json";
    if (std::filesystem::status(config, ignored).type() == std::filesystem::file_type::not_found) config.clear();
  }
  return detail::load_from<Weight>(file, config, executor);
}

/// Loads a model from the bytes of a converted or bare file, for a model that is part of a program.
/// `name` stands for the path in messages.
template <typename Weight = float>
Beit<Weight> load(std::span<const std::byte> bytes, std::string name,
                  const Executor& executor = default_thread_pool()) {
  return detail::load_from<Weight>(SafeTensors::from_memory(bytes, std::move(name)), {}, executor);
}

}  // namespace beit::inline BEIT_ABI
