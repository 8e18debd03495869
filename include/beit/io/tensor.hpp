// A tensor in a safetensors file, and the types of its elements.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The element types of the format.
enum class DType {
  BOOL,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  F4,
  F6_E2M3,
  F6_E3M2,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64
};

namespace detail {

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  int bits;
};

/// The element types, in the order of the enumeration.
inline constexpr std::array<DTypeInfo, 22> dtypes{{{DType::BOOL, "BOOL", 8},
                                                   {DType::U8, "U8", 8},
                                                   {DType::I8, "I8", 8},
                                                   {DType::F8_E5M2, "F8_E5M2", 8},
                                                   {DType::F8_E4M3, "F8_E4M3", 8},
                                                   {DType::F8_E8M0, "F8_E8M0", 8},
                                                   {DType::F8_E4M3FNUZ, "F8_E4M3FNUZ", 8},
                                                   {DType::F8_E5M2FNUZ, "F8_E5M2FNUZ", 8},
                                                   {DType::F4, "F4", 4},
                                                   {DType::F6_E2M3, "F6_E2M3", 6},
                                                   {DType::F6_E3M2, "F6_E3M2", 6},
                                                   {DType::I16, "I16", 16},
                                                   {DType::U16, "U16", 16},
                                                   {DType::F16, "F16", 16},
                                                   {DType::BF16, "BF16", 16},
                                                   {DType::I32, "I32", 32},
                                                   {DType::U32, "U32", 32},
                                                   {DType::F32, "F32", 32},
                                                   {DType::C64, "C64", 64},
                                                   {DType::F64, "F64", 64},
                                                   {DType::I64, "I64", 64},
                                                   {DType::U64, "U64", 64}}};

}  // namespace detail

/// The name of an element type in the file: "F32".
[[nodiscard]] inline std::string_view dtype_name(DType dtype) {
  return detail::dtypes[static_cast<std::size_t>(dtype)].name;
}

/// The size of one element in bits: 32 for F32, 4 for F4.
[[nodiscard]] inline int dtype_bits(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].bits; }

/// One tensor of a file. `data` may have any alignment: read it with memcpy.
struct Tensor {
  DType dtype = DType::F32;         ///< Element type.
  std::vector<Index> shape;         ///< Empty for a scalar.
  std::span<const std::byte> data;  ///< size() elements, row-major, little-endian.

  /// The number of elements: 1 for a scalar, 0 if a dimension is 0.
  Index size() const {
    Index product = 1;
    for (const Index dim : shape) product *= dim;
    return product;
  }
};

}  // namespace beit::inline BEIT_ABI
