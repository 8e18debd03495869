// Presents a convolution as if it had only some of its input channels.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>

namespace beit::inline BEIT_ABI {

/// A decorator that cuts the weight of a convolution, (outputs, inputs, kernel, kernel), to `count` channels from
/// `first` on: the convolution of maps side by side is the sum of one such convolution per map. A bias is left as it
/// is.
class InputChannels final : public WeightSource {
 public:
  /// Cuts the convolution in `weights`, whose x has `inputs` channels.
  InputChannels(const WeightScope& weights, Index inputs, Index first, Index count)
      : weights_(weights), inputs_(inputs), first_(first), count_(count) {}

  [[nodiscard]] bool has(const std::string& name) const override { return weights_.has(name); }

  [[nodiscard]] std::vector<Index> shape(const std::string& name) const override {
    std::vector<Index> shape = weights_.shape(name);
    if (shape.size() == 4) shape[1] = count_;
    return shape;
  }

  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    if (shape.size() != 4) return weights_.read(name, {shape[0]}, begin, count, out);
    const Index area = shape[2] * shape[3], run = count_ * area;  // of one output
    const auto read_whole = [&](Index at, Index length) {
      weights_.read(name, {shape[0], inputs_, shape[2], shape[3]}, at, length, out);
    };
    if (count == 0) return read_whole(0, 0);
    for (const Index end = begin + count; begin < end;) {
      const Index length = std::min(run - begin % run, end - begin);
      read_whole((begin / run * inputs_ + first_) * area + begin % run, length);
      begin += length;
      out += length;
    }
  }

  [[nodiscard]] std::string where(const std::string& name) const override { return weights_.where(name); }

 private:
  WeightScope weights_;
  Index inputs_, first_, count_;
};

}  // namespace beit::inline BEIT_ABI
