// Where the files of a model are.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The files of a model that is in memory, as a folder would hold them; those that are empty are not there.
/// The memory must stay as it is until the call that loads the model has returned, and may be freed then.
struct MemoryFiles {
  std::span<const std::byte> weights{};  ///< A safetensors file.
  std::string name{};                    ///< Stands for the path in messages.
  /// The text of config.json, timm's or Hugging Face transformers'. Not read where the weights carry a configuration
  /// of their own, as those of weights_tools do.
  std::string_view config{};
  std::string_view preprocessor{};  ///< The text of transformers' preprocessor_config.json.
  std::string_view labels{};        ///< The names of the classes, one per line, in place of those of `config`.
};

/// Where a model is loaded from: a path, or files in memory. Both convert to it.
class Source {
 public:
  /// A file or a folder.
  Source(std::filesystem::path path) : path_(std::move(path)) {}
  Source(const char* path) : path_(path) {}         ///< Likewise, by its name.
  Source(const std::string& path) : path_(path) {}  ///< Likewise, by its name.
  /// Files in memory, which is not copied.
  Source(MemoryFiles files) : files_(std::move(files)) {}

  /// The path; empty for files in memory.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The files in memory, or null for a path.
  [[nodiscard]] const MemoryFiles* files() const { return files_ ? &*files_ : nullptr; }

 private:
  std::filesystem::path path_;
  std::optional<MemoryFiles> files_;
};

}  // namespace beit::inline BEIT_ABI
