// A path in a message.
#pragma once

#include <filesystem>
#include <string>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A path as UTF-8 on every system: what path.string() gives on Windows is in the system's own encoding, and an error
/// for a name that this one lacks.
BEIT_COLD inline std::string path_text(const std::filesystem::path& path) {
#if defined(_WIN32)
  const std::u8string text = path.u8string();
  return std::string(text.begin(), text.end());
#else
  return path.string();
#endif
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
