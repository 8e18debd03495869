// Small models in memory, whole and broken, and their expected results.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/weights.hpp>

#include "../testing.hpp"

namespace beit_test {

using beit::Index;

/// A model file that tests change before they load it: float32 tensors by name, and the metadata.
struct ModelFile {
  struct Entry {
    std::vector<Index> shape;
    std::vector<float> values;
  };
  std::map<std::string, Entry> tensors;
  std::map<std::string, std::string> metadata;

  /// A copy of a golden float32 model.
  static ModelFile read(const std::string& name) { return read_at(golden(name)); }
  static ModelFile read_at(const std::filesystem::path& path) {
    const beit::SafeTensors file = beit::SafeTensors::open(path);
    ModelFile model;
    model.metadata = file.metadata();
    for (const auto& [key, tensor] : file.tensors()) {
      Entry entry{tensor.shape, std::vector<float>(static_cast<std::size_t>(tensor.size()))};
      std::memcpy(entry.values.data(), tensor.data.data(), tensor.data.size());
      model.tensors[key] = std::move(entry);
    }
    return model;
  }

  /// The converted file's configuration.
  nlohmann::json config() const { return nlohmann::json::parse(metadata.at("beit.config")); }
  void set_config(const nlohmann::json& json) { metadata["beit.config"] = json.dump(); }

  void reshape(const std::string& name, std::vector<Index> shape) {
    std::size_t size = 1;
    for (const Index n : shape) size *= static_cast<std::size_t>(n);
    tensors[name] = {std::move(shape), std::vector<float>(size, 0.5f)};
  }

  /// The bytes of a safetensors file.
  std::string bytes() const {
    nlohmann::json header = nlohmann::json::object();
    std::string data;
    if (!metadata.empty()) header["__metadata__"] = metadata;
    for (const auto& [name, tensor] : tensors) {
      const std::size_t begin = data.size(), size = tensor.values.size() * sizeof(float);
      data.append(reinterpret_cast<const char*>(tensor.values.data()), size);
      header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, begin + size}}};
    }
    return safetensors_text(header.dump(), data);
  }
};

/// A tensor of expected values as a matrix of so many rows.
inline beit::Matrix expected(const beit::WeightReader& reader, const std::string& name, Index rows) {
  const std::vector<Index> shape = reader.shape(name);
  const beit::AlignedBuffer<float> values = reader.get(name, shape);
  beit::Matrix m(rows, values.size() / rows);
  std::copy_n(values.data(), values.size(), m.data());
  return m;
}

inline double largest_difference(const beit::Matrix& a, const beit::Matrix& b) {
  EXPECT_EQ(a.rows(), b.rows());
  EXPECT_EQ(a.cols(), b.cols());
  return (a.map().cast<double>() - b.map().cast<double>()).cwiseAbs().maxCoeff();
}

}  // namespace beit_test
