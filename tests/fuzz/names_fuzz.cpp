// libFuzzer target: the lines of any text, as names of tensors, are translated by publishers' tables, or give a
// WeightError.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I EIGEN tests/fuzz/names_fuzz.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/io/safetensors.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/model_kinds.hpp>
#include <beit/model/publishers.hpp>
#include <beit/model/weight_names.hpp>

namespace {

/// A file of tensors with these names, of several shapes.
std::string file_of(const std::set<std::string>& names) {
  nlohmann::json header = nlohmann::json::object();
  std::size_t end = 0;
  for (const std::string& name : names) {
    if (name == "__metadata__") continue;
    std::vector<beit::Index> shape{3, 1};
    if (name.ends_with('1')) shape = {1};
    if (name.ends_with('2')) shape = {};
    const std::size_t size = shape.size() == 2 ? 12 : 4;
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {end, end + size}}};
    end += size;
  }
  const std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::uint64_t length = text.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + text + std::string(end, '\0');
}

void read(const beit::TimmNames& names, const std::string& name) {
  try {
    const std::vector<beit::Index> shape = names.shape(name);
    if (!names.has(name) || names.get(name, shape)[0] != 0.0f) std::abort();
  } catch (const beit::WeightError&) {  // missing, or without some of its parts
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::set<std::string> given;
  std::string line;
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] != '\n') {
      line += static_cast<char>(data[i]);
    } else {
      given.insert(line);
      line.clear();
    }
  }
  try {
    const std::string bytes = file_of(given);
    const auto file = beit::SafeTensors::from_memory(std::as_bytes(std::span(bytes)), "fuzz");
    const beit::WeightReader reader(file);
    (void)beit::detail::publisher_of(reader);
    for (const beit::detail::Publisher& publisher : beit::detail::publishers) {
      const beit::TimmNames names(reader, publisher.names);
      (void)beit::detail::kind_of(names);
      for (const std::span<const beit::NameRow> rows : {publisher.names.rows, publisher.names.more}) {
        for (const beit::NameRow& row : rows) {
          std::string name(row.ours);
          if (const std::size_t star = name.find('*'); star != name.npos) name.replace(star, 1, "0");
          read(names, name);
          read(names, name + "weight");
        }
      }
      for (const std::string& name : given) read(names, name);
    }
    reader.finish();
  } catch (const beit::WeightError&) {
  }
  return 0;
}
