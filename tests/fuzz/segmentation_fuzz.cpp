// libFuzzer target: any text, as the configuration of a segmentation model, makes one, or gives a beit::Error.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/segmentation_fuzz.cpp
#include "config_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    config_fuzz::use_segmentation({reinterpret_cast<const char*>(data), size});
  } catch (const beit::Error&) {
  }
  return 0;
}
