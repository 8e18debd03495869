// The memory that shards have of the whole input, so that those of different inputs aren't taken for one output.
//
// Each shard has a hash of its own names and labels, and one of all those before it, which its task has seen although
// other tasks write them. Shard k was made from the same input as shard k + 1 if the hash before k + 1 is that of both
// hashes of k. So nothing need be known beforehand, and the shards of a killed task count.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "../inputs/item.hpp"
#include "hash.hpp"

namespace programs {

/// The hash of all names and labels up to the end of a shard.
inline std::string hash_with(const ShardInput& input) {
  Hash hash;
  hash.add(input.before);
  hash.add(input.contents);
  return hash.hex();
}

/// All names and labels that a task has seen.
struct WholeInput {
  std::int64_t images = 0;
  std::string hash{};  // hash_with of the last shard
  std::string last{};  // the name of the last image
};

/// Says how the names of a shard differ from what they were, by the first example: "'a.png' wasn't there". An image
/// that comes or goes moves those behind it to another shard, so that others come and go with it.
inline std::string difference(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  const auto missing = [](const std::vector<std::string>& from, const std::vector<std::string>& in) {
    const std::set<std::string> known(in.begin(), in.end());
    const auto found = std::ranges::find_if(from, [&known](const std::string& name) { return !known.contains(name); });
    return found == from.end() ? std::string() : "'" + *found + "'";
  };
  const std::string come = missing(now, before), gone = missing(before, now);
  if (!come.empty() && !gone.empty()) return "it has " + come + " now, and " + gone + " no longer";
  if (!come.empty()) return come + " wasn't there";
  if (!gone.empty()) return gone + " is no longer there";
  return now.empty() || now == before
             ? "it had other labels, or more images"
             : "it has another order, from '" + *std::ranges::mismatch(now, before).in1 + "' on";
}

}  // namespace programs
