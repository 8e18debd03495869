// scikit-learn's answers (weights_tools/golden_transfer.py), read from safetensors.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/io/safetensors.hpp>

#include "../testing.hpp"

namespace beit_test {

class Golden {
 public:
  const std::vector<beit::Index>& shape(const std::string& name) const { return file_.tensors().at(name).shape; }

  std::vector<double> doubles(const std::string& name) const { return read<double>(name); }
  std::vector<beit::Index> labels(const std::string& name) const {
    const std::vector<std::int64_t> values = read<std::int64_t>(name);
    return {values.begin(), values.end()};
  }
  beit::Matrix matrix(const std::string& name) const {
    const std::vector<float> values = read<float>(name);
    beit::Matrix result(shape(name)[0], shape(name)[1]);
    std::copy(values.begin(), values.end(), result.data());
    return result;
  }

 private:
  template <typename Value>
  std::vector<Value> read(const std::string& name) const {
    const beit::Tensor& tensor = file_.tensors().at(name);
    std::vector<Value> values(tensor.data.size() / sizeof(Value));
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    return values;
  }

  beit::SafeTensors file_ = beit::SafeTensors::open(golden("transfer_probe.safetensors"));
};

}  // namespace beit_test
