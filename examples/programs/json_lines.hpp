// Writes JSON for other programs, one object per line.
#pragma once

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace programs {

/// JSON that keeps the order of keys, and writes a float with as many digits as it takes to read the same one back.
using FloatJson =
    nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t, std::uint64_t, float>;

/// Prints an object as one line.
inline void print_json(const FloatJson& object) {
  // File names need not be UTF-8, but JSON must be.
  std::cout << object.dump(-1, ' ', false, FloatJson::error_handler_t::replace) << '\n';
}

}  // namespace programs
