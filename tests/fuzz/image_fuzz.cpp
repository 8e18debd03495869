// libFuzzer target: any bytes are decoded and preprocessed, or refused with an Error.
//
// clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/image_fuzz.cpp -o image_fuzz
// mkdir found && ./image_fuzz -max_len=4096 found tests/golden/image
#include <cstddef>
#include <cstdint>
#include <vector>

#include <beit/image/decode.hpp>
#include <beit/image/transform.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  beit::DecodeOptions options;
  options.max_pixels = 1 << 16;
  options.apply_exif_orientation = true;
  options.allow_truncated = size % 2 == 1;
  beit::Preprocessing config;
  config.input_size = {32, 32};
  std::vector<float> pixels(3 * 32 * 32);
  try {
    beit::preprocess(config, beit::decode_image(data, size, options), pixels);
  } catch (const beit::Error&) {
  }
  return 0;
}
