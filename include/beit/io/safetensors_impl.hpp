// The definitions of safetensors.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>
#include <beit/io/foreign_format.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/safetensors_header.hpp>

namespace beit::inline BEIT_ABI {

BEIT_COLD BEIT_INLINE SafeTensors::SafeTensors(std::span<const std::byte> bytes, std::string name)
    : name_(std::move(name)) {
  if (const std::string_view other = detail::foreign_format(bytes); !other.empty()) fail(std::string(other));
  if (bytes.size() < length_bytes) {
    fail(detail::concat({"found ", detail::count_text(bytes.size()), ", wanted at least 8: not a safetensors file"}));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  if (length == 0) fail("header length is 0, wanted at least 2: not a safetensors file");
  if (length > max_header) {
    fail(detail::concat({"header length is ", length, ", wanted at most ", max_header, ": not a safetensors file"}));
  }
  if (length > bytes.size() - length_bytes) {
    fail(detail::concat({"file ends inside its header: found ", detail::count_text(bytes.size()), ", wanted at least ",
                         length_bytes + length, " (a truncated download?)"}));
  }
  const std::size_t header_size = length;  // within the file
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + length_bytes, header_size);
  if (const std::size_t first = header.find_first_not_of(" \t\n\r"); first == header.npos || header[first] != '{') {
    fail("header doesn't begin with '{': not a safetensors file");
  }
  detail::HeaderReader reader(name_, bytes.subspan(length_bytes + header_size));
  reader.read(header);
  tensors_ = std::move(reader.tensors);
  metadata_ = std::move(reader.metadata);
}

}  // namespace beit::inline BEIT_ABI
