// How a safetensors header is read and checked.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/compiled.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/foreign_format.hpp>
#include <beit/io/json.hpp>
#include <beit/io/mapped_file.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

BEIT_INLINE SafeTensors::SafeTensors(std::span<const std::byte> bytes, std::string name) : name_(std::move(name)) {
  if (const std::string_view other = detail::foreign_format(bytes); !other.empty()) fail(std::string(other));
  if (bytes.size() < kLengthBytes) {
    fail("found " + count_text(bytes.size()) + ", wanted at least 8: not a safetensors file");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length == 0) fail("header length is 0");
  if (length > kMaxHeader) {
    fail("header length is " + std::to_string(length) + ", wanted at most " + std::to_string(kMaxHeader) +
         ": not a safetensors file");
  }
  if (length > bytes.size() - kLengthBytes) {
    fail("file ends inside its header: found " + count_text(bytes.size()) + ", wanted at least " +
         std::to_string(kLengthBytes + length) + " (a truncated download?)");
  }
  const std::size_t header_size = length;  // within the file
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_size);
  if (header.front() != '{') fail("header doesn't begin with '{': not a safetensors file");
  const Json json = detail::parse_json_as<WeightError>(header, name_ + ": header");
  read_header(json, bytes.subspan(kLengthBytes + header_size));
}

BEIT_INLINE void SafeTensors::read_header(const Json& json, std::span<const std::byte> data) {
  std::vector<Extent> extents;
  extents.reserve(json.size());
  for (const auto& [key, value] : json.items()) {
    if (key == "__metadata__") {
      read_metadata(value);
    } else {
      extents.push_back(read_entry(key, value));
    }
  }
  check_extents(extents, data.size());
  for (const Extent& extent : extents) {
    const std::size_t begin = extent.begin, size = extent.end - extent.begin;  // within the file
    tensors_.at(*extent.name).data = data.subspan(begin, size);
  }
}

BEIT_INLINE void SafeTensors::read_metadata(const Json& json) {
  if (!json.is_object()) fail(std::string("__metadata__: found ") + json.type_name() + ", wanted object of strings");
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      fail("__metadata__: \"" + detail::printable(key) + "\" is " + value.type_name() + ", wanted string");
    }
    metadata_.emplace(key, value.get<std::string>());
  }
}

BEIT_INLINE SafeTensors::Extent SafeTensors::read_entry(const std::string& key, const Json& json) {
  const std::string where = detail::printable(key) + ": ";
  if (!json.is_object()) fail(where + "found " + json.type_name() + ", wanted object with dtype, shape, data_offsets");
  const auto member = [&](const char* name) -> const Json& {
    const auto found = json.find(name);
    if (found == json.end()) fail(where + name + " is missing");
    return *found;
  };

  const Json& dtype = member("dtype");
  if (!dtype.is_string()) fail(where + "dtype is " + dtype.type_name() + ", wanted string");
  const auto& dtype_text = dtype.get_ref<const std::string&>();
  const auto info = std::find_if(detail::dtypes.begin(), detail::dtypes.end(),
                                 [&](const detail::DTypeInfo& known) { return known.name == dtype_text; });
  if (info == detail::dtypes.end()) fail(where + "unknown dtype \"" + detail::printable(dtype_text) + "\"");

  Tensor tensor;
  tensor.dtype = info->dtype;
  const Json& shape = member("shape");
  if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), is_index)) {
    fail(where + "shape is " + json_text(shape) + ", wanted array of non-negative integers");
  }
  // A zero elsewhere in the shape excuses no dimension: products of parts of a shape must be safe as well.
  std::uint64_t nonzero_bits = static_cast<std::uint64_t>(info->bits);
  for (const Json& item : shape) {
    const auto dim = item.get<std::uint64_t>();
    tensor.shape.push_back(static_cast<Index>(dim));
    if (dim > 1 && nonzero_bits > kMaxIndex / dim) {
      fail(where + "shape " + shape_text(tensor.shape) + (tensor.shape.size() < shape.size() ? " and on" : "") +
           " overflows");
    }
    nonzero_bits *= std::max<std::uint64_t>(dim, 1);
  }
  const std::uint64_t bits = tensor.size() == 0 ? 0 : nonzero_bits;

  const Json& offsets = member("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !is_index(offsets[0]) || !is_index(offsets[1])) {
    fail(where + "data_offsets are " + json_text(offsets) + ", wanted two non-negative integers");
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end) fail(where + "data_offsets " + json_text(offsets) + " end before they begin");
  if (bits % 8 != 0) fail(where + "shape " + shape_text(tensor.shape) + " of " + dtype_text + " fills no whole bytes");
  if (end - begin != bits / 8) {
    fail(where + "data_offsets " + json_text(offsets) + " hold " + count_text(end - begin) + ", wanted " +
         std::to_string(bits / 8) + " for " + dtype_text + " of shape " + shape_text(tensor.shape));
  }
  return {begin, end, &tensors_.emplace(key, std::move(tensor)).first->first};
}

BEIT_INLINE void SafeTensors::check_extents(std::vector<Extent>& extents, std::uint64_t data_size) const {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t filled = 0;
  const std::string* previous = nullptr;
  for (const Extent& extent : extents) {
    const std::string name = detail::printable(*extent.name);
    if (extent.begin < filled) {
      fail(name + ": data_offsets " + range_text(extent.begin, extent.end) + " overlap those of " +
           detail::printable(*previous) + ", which end at " + std::to_string(filled));
    }
    if (extent.begin > filled && extent.end > data_size) {
      fail(name + ": data_offsets " + range_text(extent.begin, extent.end) + " reach beyond the file's data of " +
           count_text(data_size));
    }
    if (extent.begin > filled) {
      fail("hole in the data: bytes " + range_text(filled, extent.begin) + " before " + name + " belong to no tensor");
    }
    filled = extent.end;
    previous = extent.name;
  }
  if (filled > data_size) {
    fail("file is shorter than its header says: found " + count_text(data_size) + " of tensor data, wanted " +
         std::to_string(filled) + " (a truncated download?)");
  }
  if (filled < data_size) {
    fail("file is longer than its header says: found " + count_text(data_size) + " of tensor data, wanted " +
         std::to_string(filled));
  }
}

BEIT_INLINE bool SafeTensors::is_index(const Json& json) {
  return json.is_number_unsigned() && json.get<std::uint64_t>() <= kMaxIndex;
}

BEIT_INLINE std::string SafeTensors::json_text(const Json& json) { return detail::printable(json.dump(), 60); }

}  // namespace beit::inline BEIT_ABI
