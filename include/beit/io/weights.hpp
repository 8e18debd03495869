// Reads weights by name and shape from a safetensors file. The code states a shape once: where the parameter is read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/bit_cast.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/half.hpp>
#include <beit/core/index.hpp>
#include <beit/core/progress.hpp>
#include <beit/core/version.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weight_source.hpp>

namespace beit::inline BEIT_ABI {

/// Reads parameters from a file, or from its shards, and keeps a list of those read. The files must outlive the reader,
/// and the reader its scopes. Several threads may call all const functions at once: a mutex guards the list, the rest
/// is constant.
class WeightReader final : public WeightSource {
 public:
  /// Reads one file.
  explicit WeightReader(const SafeTensors& file) : WeightReader(std::span(&file, 1), file.name()) {}

  /// Reads several shards, which messages call `name`. `on_progress` is called when the shape of a tensor is checked
  /// for the first time, on that thread, as get does before it reads, and by finish. WeightError if two shards hold a
  /// tensor of the same name.
  BEIT_COLD WeightReader(std::span<const SafeTensors> shards, std::string name, OnProgress on_progress = {})
      : name_(std::move(name)), shards_(shards), on_progress_(std::move(on_progress)) {
    for (const SafeTensors& file : shards_) {
      for (const auto& [key, tensor] : file.tensors()) {
        if (find(key).tensor != &tensor) fail(key, "found in two shards, wanted in one");
        if (is_buffer(key)) used_.insert(key);
      }
    }
  }

  /// Whether there is such a parameter.
  [[nodiscard]] bool has(const std::string& name) const override { return find(name).tensor != nullptr; }

  [[nodiscard]] std::vector<Index> shape(const std::string& name) const override { return at(name).tensor->shape; }

  /// A parameter as the file stores it. Throws WeightError if there is none of that name.
  [[nodiscard]] const Tensor& stored(const std::string& name) const { return *at(name).tensor; }

  [[nodiscard]] std::string where(const std::string& name) const override {
    return detail::concat({name_, ": ", detail::printable(name)});
  }

  /// The path, for messages.
  const std::string& name() const { return name_; }
  /// The names of all tensors that end in `end`.
  [[nodiscard]] std::vector<std::string> names_ending_in(std::string_view end) const {
    std::vector<std::string> names;
    for (const SafeTensors& file : shards_) {
      for (const auto& [name, tensor] : file.tensors()) {
        if (name.ends_with(end)) names.push_back(name);
      }
    }
    return names;
  }
  /// Marks tensors that the caller has no use for as read: those whose names begin with `prefix`.
  BEIT_COLD void ignore(std::string_view prefix) const {
    const std::lock_guard lock(mutex_);
    for (const SafeTensors& file : shards_) {
      for (const auto& [name, tensor] : file.tensors()) {
        if (name.starts_with(prefix)) used_.insert(name);
      }
    }
  }

  /// Reads an F32, F16, BF16, F8_E4M3, F8_E5M2, F8_E4M3FNUZ or F8_E5M2FNUZ tensor, or an I8 tensor, each row of which
  /// is multiplied by its number in NAME_scale (shape[0],), of F32; then releases the pages of the file. WeightError
  /// for another dtype, too.
  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    const auto [found, file] = at(name);
    const Tensor& tensor = *found;
    if (!std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end())) {
      fail(name, detail::concat({"found shape ", shape_text(tensor.shape), ", wanted ", shape_text(shape)}));
    }
    if (count == 0) report(name);
    const auto element = static_cast<std::size_t>(dtype_bits(tensor.dtype) / 8);
    Tensor part = tensor;
    part.data =
        tensor.data.subspan(static_cast<std::size_t>(begin) * element, static_cast<std::size_t>(count) * element);
    if (tensor.dtype == DType::I8) {
      dequantise(name, part, begin, count, out);
    } else if (!widen(name, part, count, out)) {
      Index i = 0;
      while (is_finite(out[i])) ++i;
      const bool nan = (detail::bit_cast<std::uint32_t>(out[i]) & 0x007FFFFF) != 0;
      fail(name, detail::concat({"found ", nan ? "NaN" : "an infinity", " at element ", position_text(begin + i, shape),
                                 ", wanted finite weights"}));
    }
    file->release(part);
    const std::lock_guard lock(mutex_);
    used_.insert(name);
  }

  /// Throws WeightError, which names the first 5, if the file holds tensors that were never read. Buffers of torch that
  /// no model needs don't count.
  BEIT_COLD void finish() const {
    constexpr std::size_t shown = 5;
    std::size_t unexpected = 0;
    std::string names;
    std::unique_lock lock(mutex_);
    for (const SafeTensors& file : shards_) {
      for (const auto& [name, tensor] : file.tensors()) {
        if (used_.contains(name)) continue;
        if (unexpected < shown) {
          detail::append_item(names, detail::concat({detail::printable(name), " ", shape_text(tensor.shape)}));
        }
        ++unexpected;
      }
    }
    lock.unlock();
    if (unexpected > 0) {
      throw WeightError(detail::concat({name_, ": ", unexpected, " unexpected tensor", unexpected > 1 ? "s: " : ": ",
                                        names, unexpected > shown ? ", ..." : ""}));
    }
    if (on_progress_) on_progress_({name_, total(), total()});
  }

 private:
  /// A tensor and the shard that it is in; null if there is none of that name.
  struct Place {
    const Tensor* tensor = nullptr;
    const SafeTensors* file = nullptr;
  };

  /// Whether it is a buffer of torch that no model needs: `relative_position_index`, which follows from the image size,
  /// or a batch norm's `num_batches_tracked`, which only training reads.
  static bool is_buffer(std::string_view name) {
    return name.ends_with("relative_position_index") || name.ends_with("num_batches_tracked");
  }

  Place find(const std::string& name) const {
    for (const SafeTensors& file : shards_) {
      if (const auto found = file.tensors().find(name); found != file.tensors().end()) return {&found->second, &file};
    }
    return {};
  }
  Place at(const std::string& name) const {
    const Place found = find(name);
    if (found.tensor == nullptr) fail(name, "tensor is missing");
    return found;
  }

  /// The number of tensors.
  Index total() const {
    Index sum = 0;
    for (const SafeTensors& file : shards_) sum += std::ssize(file.tensors());
    return sum;
  }

  /// Reports that a tensor is the next to be read, once.
  void report(const std::string& name) const {
    if (!on_progress_) return;
    std::unique_lock lock(mutex_);
    const Index done = std::ssize(used_);
    if (!used_.insert(name).second) return;
    lock.unlock();
    on_progress_({name, done, total()});
  }

  bool widen(const std::string& name, const Tensor& tensor, Index count, float* out) const {
    const std::byte* const in = tensor.data.data();
    switch (tensor.dtype) {
      case DType::F32:
        return detail::widen<std::uint32_t, detail::float_to_float_bits>(in, count, out);
      case DType::F16:
        return detail::widen<std::uint16_t, detail::float16_to_float_bits>(in, count, out);
      case DType::BF16:
        return detail::widen<std::uint16_t, detail::bfloat16_to_float_bits>(in, count, out);
      case DType::F8_E4M3:
        return detail::widen<std::uint8_t, detail::float8_e4m3_to_float_bits>(in, count, out);
      case DType::F8_E5M2:
        return detail::widen<std::uint8_t, detail::float8_e5m2_to_float_bits>(in, count, out);
      case DType::F8_E4M3FNUZ:
        return detail::widen<std::uint8_t, detail::float8_e4m3fnuz_to_float_bits>(in, count, out);
      case DType::F8_E5M2FNUZ:
        return detail::widen<std::uint8_t, detail::float8_e5m2fnuz_to_float_bits>(in, count, out);
      default:
        fail(name, detail::concat(
                       {"found dtype ", dtype_name(tensor.dtype), ", wanted F32, F16, BF16, I8, F8_E4M3 or F8_E5M2"}));
    }
  }

  /// Converts elements [begin, begin + count) of an I8 tensor, which are the data of `part`.
  void dequantise(const std::string& name, const Tensor& part, Index begin, Index count, float* out) const {
    const std::string scale_name = detail::concat({name, "_scale"});
    const Place found = find(scale_name);
    if (found.tensor == nullptr) fail(name, detail::concat({"found dtype I8 without ", detail::printable(scale_name)}));
    const Tensor& scale_tensor = *found.tensor;
    const std::vector<Index> wanted{part.shape.empty() ? 1 : part.shape.front()};
    if (scale_tensor.shape != wanted || scale_tensor.dtype != DType::F32) {
      fail(scale_name, detail::concat({"found ", dtype_name(scale_tensor.dtype), " ", shape_text(scale_tensor.shape),
                                       ", wanted F32 ", shape_text(wanted)}));
    }
    const std::byte* scales = scale_tensor.data.data();
    const Index columns = part.size() / std::max<Index>(1, wanted.front());
    for (Index i = 0; i < count;) {
      const Index row = (begin + i) / columns, end = std::min(count, (row + 1) * columns - begin);
      float scale;
      std::memcpy(&scale, scales + row * static_cast<Index>(sizeof(scale)), sizeof(scale));
      if (!is_finite(scale)) fail(scale_name, detail::concat({"found a scale that is not finite at element ", row}));
      for (; i < end; ++i)
        out[i] = static_cast<float>(static_cast<std::int8_t>(part.data[static_cast<std::size_t>(i)])) * scale;
    }
    const std::lock_guard lock(mutex_);
    used_.insert(scale_name);
  }

  /// Checks the bits, because -ffast-math lets a compiler assume that all floats are finite.
  static bool is_finite(float x) { return (detail::bit_cast<std::uint32_t>(x) & 0x7F800000) != 0x7F800000; }

  /// Writes a flat index as "(row, column)".
  BEIT_COLD static std::string position_text(Index flat, std::span<const Index> shape) {
    std::vector<Index> position(shape.size());
    for (std::size_t i = shape.size(); i-- > 0; flat /= shape[i]) position[i] = flat % shape[i];
    return shape_text(position);
  }

  [[noreturn]] BEIT_COLD void fail(const std::string& name, const std::string& reason) const {
    throw WeightError(detail::concat({where(name), ": ", reason}));
  }

  std::string name_;
  std::span<const SafeTensors> shards_;
  OnProgress on_progress_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> used_;  // the names of tensors that were read; guarded by mutex_
};

}  // namespace beit::inline BEIT_ABI
