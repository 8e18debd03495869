// The outputs for embeddings: one .npy file, or a folder of shards.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <beit/beit.hpp>

#include "../inputs/item.hpp"
#include "../model.hpp"
#include "../output.hpp"
#include "../paths.hpp"
#include "shard_folder.hpp"
#include "update.hpp"

namespace programs {

class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  virtual ~Output() = default;

  /// Takes the next image, in the order of the plan, and its row; no row if the image has an error.
  virtual void write(const Item& item, const std::optional<NumberRow>& row) = 0;
  /// Must be called after the last image.
  virtual void close() {}
};

class FileOutput : public Output {
 public:
  FileOutput(const std::string& path, std::vector<beit::Index> row_shape, beit::NpyType type)
      : files_(path_of(path), std::move(row_shape), type) {}

  void write(const Item& item, const std::optional<NumberRow>& row) override {
    if (row) files_.write(item.path, *row);
  }
  void close() override { files_.close(); }

 private:
  RowFiles files_;
};

/// Writes shards. A shard appears when its last image has been written, and stays whatever happens later. If the
/// program ends earlier, the files of the unfinished shard are removed.
class ShardOutput : public Output {
 public:
  /// The rows of images that are kept come from `kept`, which must outlive this, if there are any.
  ShardOutput(const ShardFolder& folder, Json job, std::vector<beit::Index> row_shape, beit::NpyType type,
              KeptRows* kept)
      : folder_(folder), job_(std::move(job)), row_shape_(std::move(row_shape)), type_(type), kept_(kept) {}

  void write(const Item& item, const std::optional<NumberRow>& row) override {
    const std::int64_t shard = item.index / job_.at("shard_size").get<std::int64_t>();
    if (!open_) open_.emplace(folder_, shard, row_shape_, type_);
    ++open_->images;
    found_images_ |= item.is_image;
    open_->stamps.push_back(item.stamp);
    if (item.kept) {
      const KeptRows::Image image = kept_->read(*item.kept);
      write_row(item, image.numbers, image.width, image.height, image.kernels);
      ++kept_images_;
    } else if (row) {
      write_row(item, *row, item.width, item.height, std::string(kernels_name()));
    } else {
      open_->failed_places.push_back(open_->images - 1);
      open_->failed.push_back({{"path", item.path}, {"error", item.error}});
    }
    if (!item.ends_shard) return;
    if (item.ends_input && shard == 0 && !found_images_) return open_.reset();  // perhaps a disk isn't mounted
    finish(shard, item);
  }

  std::int64_t shards_written() const { return shards_written_; }
  /// The number of images whose rows were copied.
  std::int64_t kept() const { return kept_images_; }
  /// Whether write() has been given an image, even one that can't be read. Without any, no shard is written.
  bool found_images() const { return found_images_; }

 private:
  struct Open {
    Open(const ShardFolder& folder, std::int64_t shard, const std::vector<beit::Index>& row_shape, beit::NpyType type)
        : embeddings(folder.embeddings(shard), row_shape, type), metadata(folder.metadata(shard)) {}
    beit::NpyWriter embeddings;
    beit::AtomicFile metadata;
    std::int64_t images = 0;
    std::vector<std::optional<FileStamp>> stamps;
    std::set<std::string> kernels;  // that computed its rows
    Json failed = Json::array();
    Json failed_places = Json::array();  // in the shard, from 0
  };

  void write_row(const Item& item, const NumberRow& row, beit::Index width, beit::Index height,
                 const std::string& kernels) {
    std::visit([this](auto numbers) { open_->embeddings.write(numbers); }, row);
    Json object{{"path", item.path}, {"width", width}, {"height", height}};
    if (!item.label.empty()) object["label"] = item.label;
    open_->metadata.write(json_text(object));
    open_->kernels.insert(kernels);
  }

  /// The kernels that computed the open shard's rows, "avx2" or "avx2 and avx512".
  std::string kernels() const {
    std::string text;
    for (const std::string& name : open_->kernels) text.append(text.empty() ? "" : " and ").append(name);
    return text.empty() ? std::string(kernels_name()) : text;
  }

  /// Finishes a shard. Its files must be on the disk before the file in OUT/done says so.
  void finish(std::int64_t shard, const Item& last) {
    open_->embeddings.close(beit::Sync::yes);
    open_->metadata.close(beit::Sync::yes);
    Json bytes = Json::array(), modified = Json::array();
    for (const std::optional<FileStamp>& stamp : open_->stamps) {
      bytes.push_back(stamp ? Json(stamp->bytes) : Json());
      modified.push_back(stamp ? Json(stamp->modified) : Json());
    }
    const Json done{{"job", job_},
                    {"kernels", kernels()},
                    {"shard", shard},
                    {"last", last.ends_input},
                    {"contents", last.shard_input.contents},
                    {"before", last.shard_input.before},
                    {"follows", last.shard_input.follows},
                    {"ends_with", last.shard_input.ends_with},
                    {"images", open_->images},
                    {"bytes", std::move(bytes)},
                    {"modified", std::move(modified)},
                    {"failed_places", open_->failed_places},
                    {"embeddings_bytes", std::filesystem::file_size(folder_.embeddings(shard))},
                    {"metadata_bytes", std::filesystem::file_size(folder_.metadata(shard))},
                    {"failed", open_->failed}};
    write_synced(folder_.done(shard), json_text(done));
    open_.reset();
    ++shards_written_;
  }

  const ShardFolder& folder_;
  Json job_;
  std::vector<beit::Index> row_shape_;
  beit::NpyType type_;
  KeptRows* kept_;
  std::optional<Open> open_;
  bool found_images_ = false;
  std::int64_t shards_written_ = 0, kept_images_ = 0;
};

}  // namespace programs
