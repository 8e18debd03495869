// libFuzzer target: any text is a tokenizer that encodes and decodes, or gives a beit::Error. The text is
// {"config": ..., "tensors": {name: shape}}; safetensors_fuzz sees to the bytes of such files.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/tokenizer_fuzz.cpp
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <beit/core/thread_pool.hpp>
#include <beit/io/json.hpp>
#include <beit/model/load.hpp>

namespace {

/// The bytes of a safetensors file with these float32 tensors; none if they are large, because tiny ones test as much.
std::string file_of(const nlohmann::json& json) {
  constexpr std::uint64_t most_elements = 20'000;
  if (!json.is_object() || !json.contains("config") || !json.contains("tensors")) return {};
  nlohmann::json header = nlohmann::json::object();
  std::vector<float> data;
  for (const auto& [name, shape] : json["tensors"].items()) {
    std::uint64_t size = 1;
    for (const nlohmann::json& dim : shape) {
      if (!dim.is_number_unsigned() || dim.get<std::uint64_t>() > most_elements) return {};
      if (size *= dim.get<std::uint64_t>(); size > most_elements) return {};
    }
    const std::size_t begin = data.size();
    for (std::uint64_t i = 0; i < size; ++i) data.push_back(0.5f * std::sin(static_cast<float>(i)));
    if (data.size() > most_elements) return {};
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {4 * begin, 4 * data.size()}}};
  }
  const nlohmann::json& config = json["config"];
  header["__metadata__"] = {{"beit.config", config.is_string() ? config.get<std::string>() : config.dump()}};
  const std::string text = header.dump();
  std::string file;
  for (int shift = 0; shift < 64; shift += 8) file += static_cast<char>(text.size() >> shift & 0xFF);
  return file.append(text).append(reinterpret_cast<const char*>(data.data()), data.size() * sizeof(float));
}

void use(const beit::Tokenizer<float>& tokenizer, beit::Workspace& workspace) {
  if (tokenizer.preprocessing().input_size.area() > 1024 || tokenizer.preprocessing().resize_to.area() > 1 << 16)
    return;
  beit::Tokens tokens{{1, 1}, {0}};
  if (tokenizer.has_encoder()) {
    std::vector<std::uint8_t> pixels(5 * 7 * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
    const beit::ImageView image{pixels.data(), 5, 7, 3, 7 * 3};
    tokens = tokenizer.encode(std::span<const beit::ImageView>(&image, 1), workspace).front();
    if (tokens.grid != tokenizer.grid()) std::abort();
    if (static_cast<beit::Index>(tokens.values.size()) != tokens.grid.area()) std::abort();
    for (const std::int32_t token : tokens.values) {
      if (token < 0 || token >= tokenizer.vocab_size()) std::abort();
    }
  }
  if (tokenizer.feature_dim() > 0) {
    tokens = {tokenizer.grid(), std::vector<std::int32_t>(static_cast<std::size_t>(tokenizer.grid().area()))};
    beit::Matrix features(tokens.grid.area(), tokenizer.feature_dim());
    tokenizer.decode_features(tokens, workspace, features);
  }
  if (!tokenizer.has_decoder()) return;
  const beit::Image image = tokenizer.decode(tokens, workspace);
  if (image.height() % tokens.grid.height != 0 || image.width() % tokens.grid.width != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static beit::ThreadPool pool(1);
  static beit::Workspace workspace(pool);
  try {
    const std::string file = file_of(beit::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz"));
    if (file.empty()) return 0;
    use(beit::load_tokenizer<float>(beit::MemoryFiles{std::as_bytes(std::span(file)), "fuzz"}, {.executor = pool}),
        workspace);
  } catch (const beit::Error&) {
  }
  return 0;
}
