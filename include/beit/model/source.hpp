// The files that a model is loaded from: at a path or in memory.
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

/// A model's files in memory, as a folder would hold them; empty ones count as missing. The memory must stay unchanged
/// until the call that loads the model returns; then it may be freed.
struct MemoryFiles {
  std::span<const std::byte> weights{};  ///< A safetensors file.
  std::string name{};                    ///< Replaces the path in messages.
  /// The text of config.json, timm's or Hugging Face transformers'. It isn't read if the weights carry their own
  /// configuration, as those of weights_tools do.
  std::string_view config{};
  /// The text of transformers' preprocessor_config.json or processor_config.json.
  std::string_view preprocessor{};
  /// The names of the classes, one per line or as labels_from_text reads them; they replace those in `config`.
  std::string_view labels{};
};

/// Where a model is loaded from: a path, or files in memory. Both convert to it.
class Source {
 public:
  /// A file or a folder.
  Source(std::filesystem::path path) : path_(std::move(path)) {}
  Source(const char* path) : path_(path) {}         ///< A file or a folder, by its name.
  Source(const std::string& path) : path_(path) {}  ///< A file or a folder, by its name.
  /// Files in memory, which aren't copied.
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
