// Keeps the embeddings of images on disk, for later runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>
#include <beit/io/safetensors_writer.hpp>

#include "../embed/hash.hpp"
#include "../paths.hpp"

namespace programs {

/// The default folder: $XDG_CACHE_HOME/beit, ~/.cache/beit, %LOCALAPPDATA%/beit on Windows, or else one in the system's
/// folder for temporary files.
inline std::filesystem::path default_cache_folder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0') {
    return path_of(folder) / "beit";
  }
#if defined(_WIN32)
  if (const char* local = std::getenv("LOCALAPPDATA"); local != nullptr) return path_of(local) / "beit";
#endif
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return path_of(home) / ".cache" / "beit";
  }
  return std::filesystem::temp_directory_path() / "beit";
}

/// Keeps one safetensors file per model, preprocessing and level of kernels, with the hashes of the image files and
/// their embeddings. The file is replaced as a whole, so that an interrupted run leaves it as it was.
class EmbeddingCache {
 public:
  using Key = std::string;  // 32 hexadecimal digits
  static constexpr beit::Index key_size = 32;

  /// Reads the embeddings that the folder has for `identity`, a text that states everything on which embeddings depend
  /// except the image. A file that can't be used counts as missing.
  EmbeddingCache(const std::filesystem::path& folder, const std::string& identity, beit::Index dim) : dim_(dim) {
    Hash hash;
    hash.add(identity);
    path_ = folder / (hash.hex() + ".safetensors");
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path_, ignored)) return;
    try {
      read();
    } catch (const beit::Error&) {
      rows_.clear();
    }
  }

  /// Returns the embedding (C,), or null.
  const float* find(const Key& key) const {
    const auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : found->second.data();
  }

  void add(const Key& key, const float* row) {
    changed_ |= rows_.emplace(key, std::vector<float>(row, row + dim_)).second;
  }

  /// Writes the file. Throws beit::FileError or std::filesystem::filesystem_error if that fails.
  void save() {
    if (!changed_) return;
    std::string keys;
    std::vector<float> values;
    for (const auto& [key, row] : rows_) {
      keys += key;
      values.insert(values.end(), row.begin(), row.end());
    }
    const beit::Index count = static_cast<beit::Index>(rows_.size());
    std::filesystem::create_directories(path_.parent_path());
    beit::write_safetensors(path_,
                            {{"keys", {beit::DType::U8, {count, key_size}, std::as_bytes(std::span(keys))}},
                             {"embeddings", {beit::DType::F32, {count, dim_}, std::as_bytes(std::span(values))}}});
    changed_ = false;
  }

 private:
  void read() {
    const beit::SafeTensors file = beit::SafeTensors::open(path_);
    const auto keys = file.tensors().find("keys"), embeddings = file.tensors().find("embeddings");
    if (keys == file.tensors().end() || embeddings == file.tensors().end()) return;
    if (keys->second.shape.empty()) return;
    const beit::Index count = keys->second.shape[0];
    if (keys->second.shape != std::vector{count, key_size} || embeddings->second.shape != std::vector{count, dim_} ||
        keys->second.dtype != beit::DType::U8 || embeddings->second.dtype != beit::DType::F32) {
      return;
    }
    const char* const key = reinterpret_cast<const char*>(keys->second.data.data());
    const std::size_t bytes = static_cast<std::size_t>(dim_) * sizeof(float);
    for (beit::Index i = 0; i < count; ++i) {
      std::vector<float> row(static_cast<std::size_t>(dim_));
      std::memcpy(row.data(), embeddings->second.data.data() + static_cast<std::size_t>(i) * bytes, bytes);
      rows_.emplace(Key(key + i * key_size, static_cast<std::size_t>(key_size)), std::move(row));
    }
  }

  std::filesystem::path path_;
  beit::Index dim_;
  std::map<Key, std::vector<float>> rows_;  // sorted, so that the file doesn't depend on the order of additions
  bool changed_ = false;
};

}  // namespace programs
