// Reads the images in a tar file in WebDataset's layout.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../paths.hpp"
#include "item.hpp"
#include "skipped.hpp"
#include "tar_archive.hpp"

namespace programs {

inline bool is_tar_name(const std::filesystem::path& path) {
  const std::string name = name_of(path.filename());
  return std::ranges::any_of(std::array{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"},
                             [&name](std::string_view ending) { return name.ends_with(ending); });
}

/// Returns whether the bytes of the image with this index are needed.
using Wanted = std::function<bool(std::int64_t)>;

#if defined(BEIT_HAS_LIBARCHIVE)

/// Turns the images in a tar file into items. A `.cls` file is the label of the image whose name is the same except for
/// the last extension. Failing that, as in WebDataset, it is the label of its sample, which is all members whose names
/// are the same up to the first dot after the last slash.
class TarReader {
 public:
  /// Opens the file; "-" is standard input. The first image gets `first_index`. Members that aren't read are counted in
  /// `skipped`. A file that can't be opened gives one item with an error. next() throws Interrupted if `stopping`
  /// becomes true while it waits for standard input.
  TarReader(std::string path, std::int64_t first_index, Wanted wanted, Skipped& skipped,
            const std::atomic<bool>& stopping)
      : path_(std::move(path)),
        first_index_(first_index),
        index_(first_index),
        wanted_(std::move(wanted)),
        skipped_(skipped),
        archive_(path_, stopping),
        links_(path_, stopping) {}

  /// Returns the next image. If the tar file is damaged, the last item has an error; the number of items before it
  /// doesn't depend on which ones are wanted.
  std::optional<Item> next() {
    while (ready_.empty() && !ended_) read_member();
    if (ready_.empty()) return std::nullopt;
    Item item = std::move(ready_.front());
    ready_.pop_front();
    return item;
  }

 private:
  static constexpr std::size_t max_bytes = std::size_t{1} << 30;  // in an image
  static constexpr std::size_t max_label = 4096;                  // bytes in a label
  static constexpr std::size_t max_labels = 1024;                 // labels waiting for their images
  static constexpr std::size_t max_images = 8;                    // images waiting for their labels

  struct Waiting {
    Item item;
    std::string stem;  // its name without the last extension
  };

  void read_member() {
    const TarArchive::Next next = archive_.next();
    if (next == TarArchive::Next::end) return end();
    if (next == TarArchive::Next::damaged) {
      return first_ ? end_with({.path = path_, .error = archive_.reason()}) : end_damaged({.path = path_});
    }
    first_ = false;
    const bool is_link = archive_.link().has_value();
    if (!archive_.is_file() && !is_link) return;
    const std::string name = archive_.name(), normal = TarArchive::normal(name);
    const std::size_t base = normal.rfind('/') + 1;  // 0 without a slash
    const std::string sample = normal.substr(0, std::min(normal.find('.', base), normal.size()));
    const std::size_t dot = normal.rfind('.');
    const std::string stem = normal.substr(0, dot == std::string::npos || dot < base ? normal.size() : dot);
    if (sample != sample_) {
      flush();
      sample_ = sample;
      labels_.clear();
    }
    if (normal.substr(stem.size()) == ".cls" && !is_apple_double(path_of(name))) {
      add_label(name, stem);
    } else if (is_image_file(path_of(name))) {
      add_image(name, stem);
    } else if (!is_link) {
      skipped_.add(path_of(name));
    }
  }

  void add_label(const std::string& name, const std::string& stem) {
    std::vector<std::uint8_t> text;
    if (const std::optional<std::string> target = archive_.link()) {
      if (!links_.read(*target, max_label, text).empty()) return;
    } else if (!archive_.read(max_label, text)) {
      return end_damaged({.path = path_ + "/" + name});
    }
    std::string label(text.begin(), text.end());
    label.erase(label.find_last_not_of(" \r\n\t") + 1);
    if (labels_.size() >= max_labels) labels_.clear();
    labels_[stem] = std::move(label);
    // Images that have a label of their own needn't wait for another.
    while (!waiting_.empty() && labels_.contains(waiting_.front().stem)) release();
  }

  void add_image(const std::string& name, const std::string& stem) {
    Item item{.path = path_ + "/" + name};
    const std::optional<std::string> target = archive_.link();
    if (wanted_(index_)) {
      std::vector<std::uint8_t>& bytes = item.bytes.emplace();
      if (target) {
        item.error = links_.read(*target, max_bytes, bytes);
      } else if (!archive_.read(max_bytes, bytes)) {
        return end_damaged(std::move(item));
      }
      if (bytes.size() == max_bytes) item.error = "found " + std::to_string(max_bytes) + " bytes or more, wanted less";
      if (!item.error.empty()) item.bytes.reset();
    } else if (!target && !archive_.skip()) {
      return end_damaged(std::move(item));
    }
    item.index = index_++;
    waiting_.push_back({std::move(item), stem});
    if (waiting_.size() == 1 && labels_.contains(stem)) release();
    if (waiting_.size() == max_images) flush();
  }

  /// Releases the first of the waiting images, with its label if there is one.
  void release() {
    auto& [item, stem] = waiting_.front();
    auto found = labels_.find(stem);
    if (found == labels_.end()) found = labels_.find(sample_);
    if (found != labels_.end()) item.label = found->second;
    ready_.push_back(std::move(item));
    waiting_.pop_front();
  }

  void flush() {
    while (!waiting_.empty()) release();
  }

  void end() {
    flush();
    ended_ = true;
    if (index_ == first_index_) end_with({.path = path_, .error = "found no image files in the tar file"});
  }

  void end_damaged(Item item) {
    item.error = "the tar file is damaged here: " + archive_.reason();
    item.bytes.reset();
    flush();
    end_with(std::move(item));
  }

  void end_with(Item item) {
    item.index = index_++;
    ready_.push_back(std::move(item));
    ended_ = true;
  }

  std::string path_;
  std::int64_t first_index_;
  std::int64_t index_;
  Wanted wanted_;
  Skipped& skipped_;
  TarArchive archive_;
  TarLinks links_;
  std::string sample_;
  std::map<std::string, std::string> labels_;  // labels in the sample so far, by member name without ".cls"
  std::deque<Waiting> waiting_;                // images in the sample so far
  std::deque<Item> ready_;
  bool first_ = true;  // whether no member has been read yet
  bool ended_ = false;
};

#else

class TarReader {
 public:
  TarReader(const std::string& path, std::int64_t, const Wanted&, const Skipped&, const std::atomic<bool>&) {
    throw beit::FileError(path + ": can't read tar files: this program was built without libarchive");
  }
  std::optional<Item> next() { return std::nullopt; }
};

#endif

}  // namespace programs
