// libFuzzer target: any bytes are a .npy file whose rows can be read, or give a FileError.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/npy_fuzz.cpp
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <beit/io/npy.hpp>

#include "memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  try {
    const beit::MappedNpy npy(file.with(data, size));
    beit::AlignedBuffer<float> buffer;
    // Without columns, there may be any number of rows.
    const beit::Index last = std::min<beit::Index>(npy.rows(), 1000);
    if (npy.cols() > 0 && static_cast<std::size_t>(npy.rows()) > size) std::abort();
    for (beit::Index row = 0; row < last; ++row) {
      const auto values = npy.read(row, 1, buffer);
      if (values.cols() != npy.cols() || values.size() > static_cast<beit::Index>(size)) std::abort();
      volatile float value = 0;
      for (beit::Index i = 0; i < values.size(); ++i) value = values.data()[i];
      (void)value;
    }
    npy.release(0, last);
  } catch (const beit::FileError&) {
  }
  return 0;
}
