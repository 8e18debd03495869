// An image on its way from the arguments to the output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

struct Item {
  std::string path{};                                // of the file, or of the tar and the member: photos.tar/00001.jpg
  std::string label{};                               // empty where it isn't known
  std::string error{};                               // why there is no image; empty where there is one
  std::optional<std::vector<std::uint8_t>> bytes{};  // of the file, if it isn't there to be read by its path
  beit::Index width = 0;                             // of the image, once it is decoded
  beit::Index height = 0;

  std::int64_t index = 0;        // among all images of all tasks
  bool ends_shard = false;       // is the last one of its shard
  bool ends_input = false;       // is the last one of all
  std::string shard_contents{};  // where it ends a shard: a hash of all names and labels of the shard
};

}  // namespace programs
