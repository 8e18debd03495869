// The images in a tar file, as WebDataset lays them out, read by libarchive.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(BEIT_HAS_LIBARCHIVE)
#include <archive.h>
#include <archive_entry.h>
#endif

#include <beit/beit.hpp>

#include "../inputs.hpp"
#include "item.hpp"

namespace programs {

inline bool is_tar_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return std::ranges::any_of(std::array{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"},
                             [&name](std::string_view ending) { return name.ends_with(ending); });
}

/// Says of an image's index whether its bytes are needed.
using Wanted = std::function<bool(std::int64_t)>;

#if defined(BEIT_HAS_LIBARCHIVE)

/// Members that share a name up to the first dot after the last slash belong to one sample. Its images become items,
/// and what its `.cls` says becomes their label.
class TarReader {
 public:
  /// The first image gets `first_index`. A file that can't be opened is one item with an error.
  TarReader(std::string path, std::int64_t first_index, Wanted wanted)
      : path_(std::move(path)),
        first_index_(first_index),
        index_(first_index),
        wanted_(std::move(wanted)),
        archive_(archive_read_new()) {
    archive_read_support_filter_all(archive_.get());
    archive_read_support_format_tar(archive_.get());
    if (archive_read_open_filename(archive_.get(), path_.c_str(), kBlock) != ARCHIVE_OK) {
      end_with({.path = path_, .error = reason()});
    }
  }

  /// The next image. What is damaged is an item with an error, and the last one: how many there are before it doesn't
  /// depend on what is wanted.
  std::optional<Item> next() {
    while (ready_.empty() && !ended_) read_member();
    if (ready_.empty()) return std::nullopt;
    Item item = std::move(ready_.front());
    ready_.pop_front();
    return item;
  }

 private:
  static constexpr std::size_t kBlock = 65536;
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 30;  // of an image
  static constexpr std::size_t kMaxLabel = 4096;
  static constexpr std::size_t kMaxImages = 8;  // that wait for the label of their sample

  struct Free {
    void operator()(archive* pointer) const { archive_read_free(pointer); }
  };

  void read_member() {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(archive_.get(), &entry);
    if (status == ARCHIVE_EOF) return end();
    // ARCHIVE_RETRY would look for a header further on, and leave images out.
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return end_damaged({.path = path_});
    if (archive_entry_filetype(entry) != AE_IFREG) return;
    const std::string name = name_of(entry);
    const std::size_t base = name.rfind('/') + 1;  // 0 without a slash
    const std::string sample = name.substr(0, std::min(name.find('.', base), name.size()));
    if (sample != sample_) {
      flush();
      sample_ = sample;
      label_.clear();
    }
    if (name.substr(sample.size()) == ".cls") {
      std::vector<std::uint8_t> text;
      if (!read(kMaxLabel, text)) return end_damaged({.path = path_ + "/" + name});
      label_.assign(text.begin(), text.end());
      label_.erase(label_.find_last_not_of(" \r\n\t") + 1);
    } else if (has_image_extension(name)) {
      add_image(name);
    }
  }

  void add_image(const std::string& name) {
    Item item{.path = path_ + "/" + name};
    if (wanted_(index_)) {
      if (!read(kMaxBytes, item.bytes.emplace())) return end_damaged(std::move(item));
      if (item.bytes->size() == kMaxBytes) {
        item.error = "found " + std::to_string(kMaxBytes) + " bytes or more, wanted fewer";
        item.bytes.reset();
      }
    } else if (archive_read_data_skip(archive_.get()) < ARCHIVE_WARN) {
      return end_damaged(std::move(item));
    }
    item.index = index_++;
    waiting_.push_back(std::move(item));
    if (waiting_.size() == kMaxImages) flush();
  }

  /// At most `limit` bytes of the member. False where the archive is damaged.
  bool read(std::size_t limit, std::vector<std::uint8_t>& out) {
    // What the header says of the size is not taken on trust.
    while (out.size() < limit) {
      const std::size_t before = out.size();
      out.resize(std::min(limit, std::max(before * 2, kBlock)));
      const la_ssize_t count = archive_read_data(archive_.get(), out.data() + before, out.size() - before);
      out.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
      if (count < 0) return false;
      if (count == 0) break;
    }
    return true;
  }

  /// The images of a sample are complete with their label.
  void flush() {
    for (Item& item : waiting_) {
      item.label = label_;
      ready_.push_back(std::move(item));
    }
    waiting_.clear();
  }

  void end() {
    flush();
    ended_ = true;
    if (index_ == first_index_) end_with({.path = path_, .error = "found no image files in the tar file"});
  }

  void end_damaged(Item item) {
    item.error = "the tar file is damaged here: " + reason();
    item.bytes.reset();
    flush();
    end_with(std::move(item));
  }

  void end_with(Item item) {
    item.index = index_++;
    ready_.push_back(std::move(item));
    ended_ = true;
  }

  std::string reason() const {
    const char* const text = archive_error_string(archive_.get());
    return text == nullptr ? "can't be read" : text;
  }

  /// As the bytes in the file are, or UTF-8 where the archive says so and this process has another character set.
  static std::string name_of(archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) name = archive_entry_pathname_utf8(entry);
    return name == nullptr ? "" : name;
  }

  std::string path_;
  std::int64_t first_index_;
  std::int64_t index_;
  Wanted wanted_;
  std::unique_ptr<archive, Free> archive_;
  std::string sample_;
  std::string label_;
  std::vector<Item> waiting_;  // images of the sample so far
  std::deque<Item> ready_;
  bool ended_ = false;
};

#else

class TarReader {
 public:
  TarReader(const std::string& path, std::int64_t, const Wanted&) {
    throw beit::FileError(path + ": can't read tar files: this program was built without libarchive");
  }
  std::optional<Item> next() { return std::nullopt; }
};

#endif

}  // namespace programs
