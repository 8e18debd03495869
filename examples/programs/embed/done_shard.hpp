// The record of a shard that is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "../inputs/item.hpp"

namespace programs {

using Json = nlohmann::ordered_json;

/// Reads OUT/done/done_00000.json. Older versions wrote fewer fields: what they didn't know isn't compared.
class DoneShard {
 public:
  explicit DoneShard(Json record) : record_(std::move(record)) {}

  const Json& record() const { return record_; }
  std::int64_t images() const { return record_.at("images").get<std::int64_t>(); }
  /// Whether it was the last shard of all.
  bool last() const { return record_.at("last").get<bool>(); }
  std::string kernels() const { return record_.at("kernels").get<std::string>(); }
  std::string contents() const { return record_.value("contents", ""); }
  const Json& failed() const { return record_.at("failed"); }

  /// How the shard fits into the input; nothing if the record is older than the field.
  std::optional<ShardInput> input() const {
    if (!record_.contains("before")) return std::nullopt;
    const auto text = [this](const char* key) { return record_.at(key).get<std::string>(); };
    return ShardInput{contents(), text("before"), text("follows"), text("ends_with")};
  }

  /// Whether the file of the image at this place had the same size and time, as far as the record knows.
  bool has(std::size_t place, const std::optional<FileStamp>& stamp) const {
    return !record_.contains("bytes") || stamp_at(place) == stamp;
  }

  /// The size and time of the file of the image at this place; nothing if they weren't known.
  std::optional<FileStamp> stamp_at(std::size_t place) const {
    if (!record_.contains("bytes")) return std::nullopt;
    const Json &bytes = record_.at("bytes"), &modified = record_.at("modified");
    if (place >= bytes.size() || !bytes[place].is_number()) return std::nullopt;
    return FileStamp{bytes[place].get<std::int64_t>(), modified.at(place).get<std::int64_t>()};
  }

  /// The places in the shard, from 0, of the images that failed.
  std::vector<std::size_t> failed_places() const { return record_.value("failed_places", std::vector<std::size_t>()); }

  /// The images whose files the system said nothing of.
  std::vector<std::string> unreachable() const {
    std::vector<std::string> names;
    const std::vector<std::size_t> places = failed_places();
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!stamp_at(places[i])) names.push_back(failed().at(i).at("path").get<std::string>());
    }
    return names;
  }

 private:
  Json record_;
};

}  // namespace programs
