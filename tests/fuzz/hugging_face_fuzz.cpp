// libFuzzer target: any three JSON files of a folder of Hugging Face make a model, or give a beit::Error.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/hugging_face_fuzz.cpp
#include "config_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using enum config_fuzz::Positions;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const config_fuzz::Positions positions : {table, shared, absolute, none}) {
    try {
      config_fuzz::use_hugging_face(positions, text);
    } catch (const beit::Error&) {
    }
  }
  return 0;
}
