// The safetensors format: 8 bytes of header length, a JSON header, and the tensors' bytes without gaps.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/mapped_file.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and used in place");

/// Every element type of the format.
enum class DType {
  BOOL,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
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

/// In the order of the enumeration.
inline constexpr std::array<DTypeInfo, 20> dtypes{
    {{DType::BOOL, "BOOL", 8},       {DType::U8, "U8", 8},           {DType::I8, "I8", 8},
     {DType::F8_E5M2, "F8_E5M2", 8}, {DType::F8_E4M3, "F8_E4M3", 8}, {DType::F8_E8M0, "F8_E8M0", 8},
     {DType::F4, "F4", 4},           {DType::F6_E2M3, "F6_E2M3", 6}, {DType::F6_E3M2, "F6_E3M2", 6},
     {DType::I16, "I16", 16},        {DType::U16, "U16", 16},        {DType::F16, "F16", 16},
     {DType::BF16, "BF16", 16},      {DType::I32, "I32", 32},        {DType::U32, "U32", 32},
     {DType::F32, "F32", 32},        {DType::C64, "C64", 64},        {DType::F64, "F64", 64},
     {DType::I64, "I64", 64},        {DType::U64, "U64", 64}}};

}  // namespace detail

/// The name in the file: "F32".
inline std::string_view dtype_name(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].name; }

/// Size of one element in bits: 32 for F32, 4 for F4.
inline int dtype_bits(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].bits; }

/// One tensor of a file. `data` may have any alignment: read it with memcpy.
struct Tensor {
  DType dtype = DType::F32;         ///< Of an element.
  std::vector<Index> shape;         ///< Empty for a scalar
  std::span<const std::byte> data;  ///< size() elements, row-major, little-endian

  /// Number of elements: 1 for a scalar, 0 when a dimension is 0.
  Index size() const {
    Index product = 1;
    for (const Index dim : shape) product *= dim;
    return product;
  }
};

/// A safetensors file that has been checked from end to end. Movable; moving keeps the tensors' bytes in place.
class SafeTensors {
 public:
  /// Maps and checks a file. Throws FileError when it can't be read, WeightError when it isn't a valid file.
  static SafeTensors open(const std::filesystem::path& path) {
    MappedFile file(path);
    SafeTensors result(file.bytes(), detail::path_text(path));
    result.file_ = std::move(file);
    return result;
  }

  /// Checks a file that is in memory already. The bytes are not copied and must outlive the result; `name` stands
  /// for the path in messages. Throws WeightError.
  static SafeTensors from_memory(std::span<const std::byte> bytes, std::string name) {
    return SafeTensors(bytes, std::move(name));
  }

  /// By name.
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  /// The free text of the header's `__metadata__`; empty when there is none.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Path, for messages.
  const std::string& name() const { return name_; }

  /// Tells the system that this tensor isn't needed again soon (MappedFile::release). Its bytes stay valid.
  void release(const Tensor& tensor) const {
    if (!file_ || tensor.data.empty()) return;
    file_->release(static_cast<std::size_t>(tensor.data.data() - file_->bytes().data()), tensor.data.size());
  }

 private:
  static constexpr std::size_t kLengthBytes = 8;
  static constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit

  SafeTensors(std::span<const std::byte> bytes, std::string name);

  [[noreturn]] void fail(const std::string& reason) const { throw WeightError(name_ + ": " + reason); }

  std::optional<MappedFile> file_;  // empty when the bytes are someone else's
  std::string name_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/io/safetensors_impl.hpp>
#endif
