// An image on its way from the command line to the output.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../demo_images.hpp"

namespace programs {

/// The size of a file, and when it was last written to. A file is taken for unchanged while both are the same.
struct FileStamp {
  std::int64_t bytes = 0;
  std::int64_t modified = 0;  // nanoseconds since 1970

  bool operator==(const FileStamp&) const = default;
};

/// How a shard fits into the whole input: every name and label of its images, and of those before it.
struct ShardInput {
  std::string contents{};   // a hash of the names and labels in the shard
  std::string before{};     // a hash of the same in all shards before it; empty for the first
  std::string follows{};    // the name of the image before its first
  std::string ends_with{};  // the name of its last image
};

/// The place of an image that a folder of shards has already.
struct KeptRow {
  std::int64_t shard = 0;
  std::int64_t row = 0;

  auto operator<=>(const KeptRow&) const = default;
};

struct Item {
  std::string path{};   // the file, or the tar file and its member: photos.tar/00001.jpg
  std::string label{};  // empty if unknown
  std::string error{};  // why the image can't be read; empty if it can
  bool unseen = false;  // whether what was named can't be looked at at all, if it has an error
  std::optional<std::vector<std::uint8_t>> bytes{};  // the file's contents, if they can't be read by its path
  // Known once the image is decoded:
  beit::Index width = 0;
  beit::Index height = 0;
  bool coloured = false;  // whether any pixel isn't grey

  bool is_image = true;              // false for a folder that can't be read, or has no images
  bool is_member = false;            // of a tar file
  std::optional<FileStamp> stamp{};  // of the file, or of the tar file; nothing for standard input
  std::optional<KeptRow> kept{};     // its row, if it needn't be computed

  /// Whether the model computes its row.
  bool is_to_do() const { return error.empty() && !kept; }
  /// Keeps what is worth knowing of the decoded image.
  void describe(const beit::ImageView& image) {
    width = image.width;
    height = image.height;
    coloured = is_coloured(image);
  }
  std::int64_t index = 0;    // among all images of all tasks
  bool ends_shard = false;   // whether it is the last of its shard
  bool ends_input = false;   // whether it is the last of all
  ShardInput shard_input{};  // for the last of a shard
};

/// Says in what a decoded image differs from those that the demo models learned from; empty if it is of their kind.
inline std::string unlike_demo_text(const Item& item) { return unlike_demo(item.width, item.height, item.coloured); }

/// A source of images, one after the other.
class ItemSource {
 public:
  ItemSource() = default;
  ItemSource(const ItemSource&) = delete;
  ItemSource& operator=(const ItemSource&) = delete;
  virtual ~ItemSource() = default;

  /// Returns the next image, or nothing after the last. Not thread-safe.
  virtual std::optional<Item> next() = 0;
  /// Makes a waiting next() throw Interrupted. May be called from any thread.
  virtual void stop() {}
};

/// A source with a given list of images.
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
