// Opens a file of weights, or its shards.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/regular_file.hpp>
#include <beit/core/version.hpp>
#include <beit/io/safetensors.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Reads a file as text. FileError if it can't be read.
BEIT_COLD inline std::string read_text(const std::filesystem::path& path) {
  return std::string(RegularFile(path).read().text());
}

BEIT_COLD inline bool file_exists(const std::filesystem::path& path) {
  std::error_code ignored;  // opening it will report it
  return std::filesystem::status(path, ignored).type() != std::filesystem::file_type::not_found;
}

}  // namespace detail

/// Opens the weights at `path`: a safetensors file, an index of shards (`model.safetensors.index.json`), or a folder
/// that holds `model.safetensors` or that index. Throws FileError, WeightError or ConfigError; the message names known
/// formats that aren't safetensors.
[[nodiscard]] BEIT_INLINE std::vector<SafeTensors> open_weight_files(std::filesystem::path path);

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/io/weight_files_impl.hpp>
#endif
