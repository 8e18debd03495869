// Random parameters of any model: full-size models without a file.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/io/weights.hpp>

namespace beit_test {

/// Has every parameter, of any shape, with uniform numbers that depend only on its name and the seed. Their deviation
/// keeps activations from vanishing and growing: 1/sqrt(inputs) for matrices; norm weights are about 1, layer scales
/// about 0.5, everything else 0.2.
class RandomWeights final : public beit::WeightSource {
 public:
  explicit RandomWeights(std::uint64_t seed) : seed_(seed) {}

  bool has(const std::string&) const override { return true; }
  std::vector<beit::Index> shape(const std::string& name) const override {
    throw beit::WeightError(name + ": random weights have every shape");
  }
  void read(const std::string& name, std::span<const beit::Index> shape, beit::Index begin, beit::Index count,
            float* out) const override {
    beit::Index size = 1;
    for (const beit::Index n : shape) size *= n;
    const bool matrix = (name.ends_with("weight") || name.ends_with(".w")) && shape.size() > 1;
    const bool norm = name.ends_with("weight") && shape.size() == 1;
    const bool scale = name.find("gamma_") != std::string::npos;
    const float centre = norm ? 1.0f : scale ? 0.5f : 0.0f;
    const float deviation = matrix ? 1 / std::sqrt(static_cast<float>(size / shape[0])) : 0.2f;
    std::uint64_t key = seed_;
    for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001B3u + 0x9E3779B9u;
    for (beit::Index i = 0; i < count; ++i) {
      // The finaliser of the splitmix64 generator, whose numbers can be made in any order.
      std::uint64_t bits = key + static_cast<std::uint64_t>(begin + i) * 0x9E3779B97F4A7C15u;
      bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
      bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
      const float uniform = static_cast<float>((bits ^ (bits >> 31)) >> 40) * 0x1p-24f;
      out[i] = centre + deviation * std::sqrt(12.0f) * (uniform - 0.5f);
    }
  }

 private:
  std::uint64_t seed_;
};

/// Numbers about 0 that depend only on the source and the name: (rows, columns).
inline beit::Matrix numbers(const beit::WeightSource& source, const char* name, beit::Index rows, beit::Index columns) {
  beit::Matrix x(rows, columns);
  source.read(name, std::vector<beit::Index>{rows, columns}, 0, x.size(), x.data());
  return x;
}

}  // namespace beit_test
