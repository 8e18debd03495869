// Paths as text in messages.
#pragma once

#include <filesystem>
#include <string>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A path as UTF-8 on every system. On Windows path.string() gives the system's own encoding, and throws if that can't
/// express the name.
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
