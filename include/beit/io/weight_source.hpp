// Where a model's parameters come from: the interface of a source, and the names below a prefix.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/index.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

class WeightScope;

/// A source of a model's parameters: a file, or a decorator that changes another source, or anything else that a
/// program implements. Several threads may call the const functions at once.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// Whether there is such a parameter.
  [[nodiscard]] virtual bool has(const std::string& name) const = 0;
  /// The shape of a parameter. Throws WeightError if there is none of that name.
  [[nodiscard]] virtual std::vector<Index> shape(const std::string& name) const = 0;
  /// Reads elements [begin, begin + count) of the parameter, row-major, as floats to `out`. Throws WeightError if it is
  /// missing, has another shape, or isn't finite there.
  virtual void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
                    float* out) const = 0;

  /// The place of a parameter in messages, whether there is one or not: the file, and the name that the file has for
  /// it.
  [[nodiscard]] virtual std::string where(const std::string& name) const { return name; }

  /// Reads the whole parameter. Throws as read does.
  AlignedBuffer<float> get(const std::string& name, std::span<const Index> shape) const {
    read(name, shape, 0, 0, nullptr);  // checks the shape before allocating memory for it
    Index size = 1;
    for (const Index n : shape) size *= n;
    AlignedBuffer<float> values(size);  // of this shape, row-major
    read(name, shape, 0, size, values.data());
    return values;
  }

  /// The scope of all names. Layers read and pack large parameters on the threads of `executor`.
  [[nodiscard]] WeightScope root(const Executor& executor = default_thread_pool()) const;
};

/// A source together with a prefix of names: `root.scope("blocks.0").scope("mlp").get("fc1.weight", {M, C})` reads
/// "blocks.0.mlp.fc1.weight". It is cheap to copy. Threads may share one, as they may share the source.
class WeightScope {
 public:
  /// The scope of the names below `prefix`, which ends in a dot or is empty.
  WeightScope(const WeightSource& source, std::string prefix, const Executor& executor)
      : source_(&source), prefix_(std::move(prefix)), executor_(executor) {}

  /// The scope of the names below `name`.
  [[nodiscard]] WeightScope scope(std::string_view name) const {
    return {*source_, detail::concat({prefix_, name, "."}), executor_};
  }

  /// The threads that read and pack large parameters.
  const Executor& executor() const { return executor_; }

  /// Whether this scope has such a parameter.
  [[nodiscard]] bool has(std::string_view name) const { return source_->has(path(name)); }

  /// The shape of a parameter. Throws WeightError if there is none of that name.
  [[nodiscard]] std::vector<Index> shape(std::string_view name) const { return source_->shape(path(name)); }

  /// Calls WeightSource::read with the whole name.
  void read(std::string_view name, std::initializer_list<Index> shape, Index begin, Index count, float* out) const {
    source_->read(path(name), {shape.begin(), shape.size()}, begin, count, out);
  }

  /// Calls WeightSource::get with the whole name.
  AlignedBuffer<float> get(std::string_view name, std::initializer_list<Index> shape) const {
    return source_->get(path(name), {shape.begin(), shape.size()});
  }

  /// The place of a parameter in messages.
  [[nodiscard]] std::string where(std::string_view name) const { return source_->where(path(name)); }
  /// The whole name.
  [[nodiscard]] std::string path(std::string_view name) const { return detail::concat({prefix_, name}); }

 private:
  const WeightSource* source_;
  std::string prefix_;  // "" or "blocks.0."
  Executor executor_;
};

inline WeightScope WeightSource::root(const Executor& executor) const { return {*this, "", executor}; }

}  // namespace beit::inline BEIT_ABI
