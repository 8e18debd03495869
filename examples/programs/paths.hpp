// Converts between paths and their names. Names are UTF-8 in the programs on every system; std::filesystem::path would
// read a std::string in whatever encoding the system is set to.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace programs {

inline std::filesystem::path path_of(std::string_view name) {
  return std::filesystem::path(std::u8string(name.begin(), name.end()));
}

inline std::string name_of(const std::filesystem::path& path) {
  const std::u8string name = path.u8string();
  return {name.begin(), name.end()};
}

}  // namespace programs
