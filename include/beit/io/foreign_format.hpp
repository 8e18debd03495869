// Recognises files that users mistake for safetensors.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A message that says which other format the first bytes show, and what to do about it; empty if they may be a
/// safetensors file.
BEIT_COLD inline std::string_view foreign_format(std::span<const std::byte> bytes) {
  constexpr std::size_t header_start = 8;  // the format's length comes first: '{' stands here
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 64));
  if (text.size() > header_start && text[header_start] == '{') return {};
  if (text.starts_with("version https://git-lfs")) {
    return "this is a Git LFS pointer, not the file: run git lfs pull";
  }
  if (text.starts_with("GGUF")) return "this is a GGUF file, wanted safetensors: download model.safetensors instead";
  if (text.starts_with("PK\3\4") || text.starts_with("\x80\2") || text.starts_with("\x80\4")) {
    return "this is a PyTorch file (a pickle), wanted safetensors: convert it with weights_tools/convert.py SOURCE "
           "OUTPUT";
  }
  if (text.starts_with("\x89PNG") || text.starts_with("\xFF\xD8\xFF")) {
    return "this is an image, wanted the weights of a model, a safetensors file";
  }
  // ModelProto: ir_version, a small number, then a string: producer_name, or its version, or the domain.
  if (text.size() > 3 && text[0] == '\x08' && text[1] > 0 && text[1] < 32 && text[2] >= '\x12' && text[2] <= '\x22') {
    return "this is an ONNX file, wanted safetensors: download model.safetensors instead";
  }
  const auto first =
      std::find_if(text.begin(), text.end(), [](char c) { return std::isspace(static_cast<unsigned char>(c)) == 0; });
  std::string start(first, text.end());
  for (char& c : start) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (start.starts_with("<!doctype") || start.starts_with("<html")) {
    return "this is a web page, not the file: download it again, perhaps after signing in";
  }
  return {};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
