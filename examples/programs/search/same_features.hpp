// Compares how an index was made with how the queries are, so that only embeddings that belong together are compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <beit/beit.hpp>

#include "../embed/merge.hpp"
#include "../embed/shard_folder.hpp"
#include "../output.hpp"

namespace programs {

/// Says which shards an index of beit-embed lacks: "missing shards 3, 7 and 8". Empty if it has all, or has no records.
inline std::string missing_shards(const ShardFolder& index) {
  std::error_code ignored;
  if (!std::filesystem::exists(index.done_folder(), ignored)) return "";
  const std::set<std::int64_t> found = index.done_shards();
  const std::optional<Json> last = found.empty() ? std::nullopt : ShardFolder::read_record(index.done(*found.rbegin()));
  return missing_text(found, last && last->value("last", false));
}

/// Throws std::runtime_error if the index at `name` was made with other options than `wanted`, on which embeddings
/// depend. Options that change only a few digits get a line on standard error, which `program` begins. Options that the
/// index doesn't record aren't compared: another tool's index has none.
inline void require_same_features(const std::string& program, const std::string& name, const ShardFolder& index,
                                  const Json& wanted) {
  // The text of the model may end in a size: "xxh3:1f 384x384".
  const auto hash_of = [](const std::string& model) { return model.substr(0, model.find(' ')); };
  const auto size_of = [](const std::string& model) {
    const std::size_t space = model.find(' ');
    return space == std::string::npos ? std::string("of the model") : model.substr(space + 1);
  };
  const auto as_it_is = [](const std::string& value) { return value; };
  struct Row {
    const char *key, *what;
    std::string (*part)(const std::string&);
    bool only_digits;  // whether cosines stay about the same
    const char* advice;
  };
  const Row rows[] = {
      {"tokens", "--tokens", as_it_is, false, "embed the images again"},
      {"model", "the model and preprocessing of hash", hash_of, false, "use that model, or embed the images again"},
      {"model", "an image size", size_of, false, "use the same --image-size, or embed the images again"},
      {"apply_exif_orientation", "--apply-exif-orientation", as_it_is, false,
       "use the same option, or embed the images again"},
      {pass_order_key, "--pass-order", as_it_is, false, "use the same --pass-order, or embed the images again"},
      {"precision", "--precision", as_it_is, true, ""},
      {"jpeg_decoder", "the JPEG decoder", as_it_is, true, ""},
  };
  const auto text_of = [](const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  for (const auto& [key, what, part, only_digits, advice] : rows) {
    const Json found = index.recorded(key);
    if (found.is_null() || !wanted.contains(key)) continue;
    const std::string has = part(text_of(found)), wants = part(text_of(wanted.at(key)));
    if (has == wants) continue;
    const std::string difference = name + ": found embeddings made with " + what + " " + has + ", wanted " + wants;
    if (!only_digits) throw std::runtime_error(difference + ": " + advice);
    std::cerr << one_line(program + ": " + difference + ": cosines may differ in a few digits") << '\n';
  }
}

}  // namespace programs
