// The safetensors format: 8 bytes of header length, a JSON header, and the tensors' bytes without gaps.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/mapped_file.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/io/tensor.hpp>

namespace beit::inline BEIT_ABI {

/// A safetensors file that has been checked from end to end. The header may have 100 MB, and as many names as 65,536
/// tensors need (or as many tensors as there are bytes of data, if that is less); a tensor has at most 64 dimensions.
/// Moving the object keeps the tensors' bytes in place.
class SafeTensors {
 public:
  /// Maps and checks a file. Throws FileError when it can't be read, WeightError when it isn't a valid file.
  [[nodiscard]] static SafeTensors open(const std::filesystem::path& path) {
    MappedFile file(path, "a safetensors file");
    SafeTensors result(file.bytes(), detail::path_text(path));
    result.file_ = std::move(file);
    return result;
  }

  /// Checks a file that is in memory already. The bytes are not copied and must outlive the result; messages show
  /// `name` instead of a path. Throws WeightError.
  [[nodiscard]] static SafeTensors from_memory(std::span<const std::byte> bytes, std::string name) {
    return SafeTensors(bytes, std::move(name));
  }

  /// All tensors by name.
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  /// The header's `__metadata__`, which is free text; empty if there is none.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The path, or the name given to from_memory, for messages.
  const std::string& name() const { return name_; }

  /// Tells the system that this tensor isn't needed again soon (MappedFile::release). Its bytes stay valid.
  void release(const Tensor& tensor) const {
    if (!file_ || tensor.data.empty()) return;
    file_->release(static_cast<std::size_t>(tensor.data.data() - file_->bytes().data()), tensor.data.size());
  }

 private:
  static constexpr std::size_t length_bytes = 8;
  static constexpr std::uint64_t max_header = 100'000'000;  // the reference implementation's limit

  SafeTensors(std::span<const std::byte> bytes, std::string name);

  [[noreturn]] BEIT_COLD void fail(const std::string& reason) const {
    throw WeightError(detail::concat({name_, ": ", reason}));
  }

  std::optional<MappedFile> file_;  // empty if the bytes belong to the caller
  std::string name_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/io/safetensors_impl.hpp>
#endif
