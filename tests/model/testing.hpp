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

#include "../io/testing.hpp"

namespace testing_models {

using beit::Index;

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(BEIT_TESTS_DIR) / "golden" / name;
}

/// A model file that tests change before they load it: float32 tensors by name, and the metadata.
struct ModelFile {
  struct Entry {
    std::vector<Index> shape;
    std::vector<float> values;
  };
  std::map<std::string, Entry> tensors;
  std::map<std::string, std::string> metadata;

  /// A copy of a golden float32 model.
  static ModelFile read(const std::string& name) {
    const beit::SafeTensors file = beit::SafeTensors::open(golden(name));
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
    const std::string text = header.dump();
    const std::uint64_t length = text.size();
    std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
    return file + text + data;
  }
};

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

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

/// A folder that is removed after the test.
class Folder : public beit_test::TemporaryFolder {
 public:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    beit_test::write_file(path() / name, text);
    return path() / name;
  }
};

}  // namespace testing_models
