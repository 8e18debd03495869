// Writes safetensors files: the counterpart of safetensors.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/atomic_file.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

/// Writes `tensors`, byte for byte as they lie in memory (for example in a mapped file), and `metadata`, the header's
/// `__metadata__`. The file appears when it is complete (see AtomicFile); its bytes depend only on the arguments.
///
/// Tensors of wide types come first, and those of one type in the order of their names, as in the reference
/// implementation, so that each begins at a multiple of its element's size. Throws ArgumentError for a tensor whose
/// data isn't as long as its type and shape say, and for a name or text that isn't UTF-8; FileError when the file can't
/// be written.
inline void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  using Json = nlohmann::ordered_json;
  const auto fail = [&path](const std::string& reason) {
    throw ArgumentError(detail::concat({detail::path_text(path), ": ", reason}));
  };
  std::vector<std::pair<const std::string*, const Tensor*>> order;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t bits =
        static_cast<std::uint64_t>(tensor.size()) * static_cast<std::uint64_t>(dtype_bits(tensor.dtype));
    if (bits % 8 != 0 || tensor.data.size() != bits / 8) {
      fail(detail::concat({detail::printable(name), ": found ", tensor.data.size(), " bytes, wanted ",
                           dtype_name(tensor.dtype), " of shape ", shape_text(tensor.shape)}));
    }
    if (name == "__metadata__") fail("found a tensor called __metadata__, which is the name of the header's free text");
    order.emplace_back(&name, &tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return dtype_bits(a.second->dtype) > dtype_bits(b.second->dtype);
  });

  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t end = 0;
  for (const auto& [name, tensor] : order) {
    const std::size_t begin = end;
    end += tensor->data.size();
    header[*name] = {{"dtype", dtype_name(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    fail("a name or the metadata isn't UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();

  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(text);
  for (const auto& [name, tensor] : order) file.write(tensor->data.data(), tensor->data.size());
  file.close();
}

}  // namespace beit::inline BEIT_ABI
