// An image on its way from the arguments to the output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
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

/// Images, one after the other.
class ItemSource {
 public:
  ItemSource() = default;
  ItemSource(const ItemSource&) = delete;
  ItemSource& operator=(const ItemSource&) = delete;
  virtual ~ItemSource() = default;

  /// The next one; nothing after the last. Not for several threads at once.
  virtual std::optional<Item> next() = 0;
  /// Ends a next() that waits, with Interrupted. From any thread.
  virtual void stop() {}
};

/// Images that are known.
class ItemList : public ItemSource {
 public:
  explicit ItemList(std::vector<Item> items) : items_(std::move(items)) {}

  std::optional<Item> next() override {
    if (next_ == items_.size()) return std::nullopt;
    return std::move(items_[next_++]);
  }

 private:
  std::vector<Item> items_;
  std::size_t next_ = 0;
};

}  // namespace programs
