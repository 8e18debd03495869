// libFuzzer target: any text is a configuration that makes a model, or gives a beit::Error.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/config_fuzz.cpp
#include "config_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using enum config_fuzz::Positions;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const config_fuzz::Positions positions : {table, shared, absolute, none}) {
    try {
      config_fuzz::use(positions, text);
    } catch (const beit::Error&) {
    }
  }
  return 0;
}
