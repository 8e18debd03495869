// libFuzzer target: any bytes either open as safetensors or give a WeightError, and what opens can be read.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/safetensors_fuzz.cpp
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include <beit/io/safetensors.hpp>
#include <beit/io/weights.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An allocation of exactly this size, so that the address sanitizer sees a read behind its end.
  const auto copy = std::make_unique<std::byte[]>(size);
  std::copy_n(reinterpret_cast<const std::byte*>(data), size, copy.get());
  try {
    const auto file = beit::SafeTensors::from_memory(std::span(copy.get(), size), "fuzz");
    const beit::WeightReader reader(file);
    std::size_t total = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      total += tensor.data.size();
      unsigned sum = 0;
      for (const std::byte value : tensor.data) sum += std::to_integer<unsigned>(value);
      if (sum > 255 * tensor.data.size()) std::abort();
      try {
        if (reader.get(name, tensor.shape).size() != tensor.size()) std::abort();
      } catch (const beit::WeightError&) {  // another dtype, or not finite
      }
    }
    if (total > size) std::abort();
    reader.finish();
  } catch (const beit::WeightError&) {
  }
  return 0;
}
