// std::bit_cast, also for standard libraries that are older than the compiler (emscripten 3.1).
#pragma once

#include <bit>
#include <type_traits>

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The value of type To with the bits of `from`.
template <typename To, typename From>
constexpr To bit_cast(const From& from) noexcept {
#if defined(__cpp_lib_bit_cast)
  return std::bit_cast<To>(from);
#else
  static_assert(sizeof(To) == sizeof(From) && std::is_trivially_copyable_v<To> && std::is_trivially_copyable_v<From>);
  return __builtin_bit_cast(To, from);
#endif
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
