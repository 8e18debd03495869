// Finds the values of an enumeration by their names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Returns the value of `all` whose name is `name`. ArgumentError, which begins with `what` and lists the names, if
/// there is none.
template <typename Enum, std::size_t count>
BEIT_COLD Enum from_name(std::string_view what, std::string_view name, const Enum (&all)[count],
                         std::string_view (*name_of)(Enum)) {
  std::string known;
  for (const Enum value : all) {
    if (name_of(value) == name) return value;
    append_item(known, name_of(value));
  }
  throw ArgumentError(concat({what, ": found '", name, "', wanted one of ", known}));
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
