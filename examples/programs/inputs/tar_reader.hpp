// Reads the images in a tar file in WebDataset's layout.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/beit.hpp>
#include <beit/io/json.hpp>

#include "../paths.hpp"
#include "item.hpp"
#include "skipped.hpp"
#include "tar_archive.hpp"
#include "tar_samples.hpp"

namespace programs {

inline bool is_tar_name(const std::filesystem::path& path) {
  const std::string name = name_of(path.filename());
  return std::ranges::any_of(std::array{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"},
                             [&name](std::string_view ending) { return name.ends_with(ending); });
}

/// Returns whether the bytes of the image with this index are needed.
using Wanted = std::function<bool(std::int64_t)>;

#if defined(BEIT_HAS_LIBARCHIVE)

/// Turns the images in a tar file, or in several that were joined, into items with the labels that TarSamples finds.
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
        links_(path_, stopping),
        samples_(skipped) {}

  /// Returns the next image. If the tar file is damaged, the last item has an error; the number of items before it
  /// doesn't depend on which ones are wanted.
  std::optional<Item> next() {
    for (;;) {
      if (std::optional<Item> item = samples_.next()) return item;
      if (ended_) return std::exchange(last_, std::nullopt);
      read_member();
    }
  }

 private:
  static constexpr std::size_t max_bytes = std::size_t{1} << 30;  // in an image
  static constexpr std::size_t max_label = 4096;                  // bytes in a label
  static constexpr std::size_t max_json = std::size_t{1} << 20;   // bytes in a .json file

  void read_member() {
    const TarArchive::Next next = archive_.next();
    if (next == TarArchive::Next::end) return end();
    if (next == TarArchive::Next::damaged) {
      return first_ ? end_with({.path = path_, .error = archive_.reason()}) : end_damaged({.path = path_});
    }
    first_ = false;
    const bool is_link = archive_.link().has_value();
    if (!archive_.is_file() && !is_link) return;
    const std::string name = archive_.name();
    const MemberName parts(TarArchive::normal(name));
    const bool is_label = parts.extension() == ".cls" || parts.extension() == ".json";
    if (is_label && !is_apple_double(path_of(name))) {
      add_label(name, parts);
    } else if (is_image_file(path_of(name))) {
      add_image(name, parts);
    } else if (!is_link) {
      skipped_.add(path_of(name));
    }
  }

  /// Reads a member or what it is a link to, at most `limit` bytes. Returns "", or the reason if a link leads nowhere;
  /// nothing if the archive is damaged.
  std::optional<std::string> read(std::size_t limit, std::vector<std::uint8_t>& bytes) {
    if (const std::optional<std::string> target = archive_.link()) return links_.read(*target, limit, bytes);
    return archive_.read(limit, bytes) ? std::optional<std::string>("") : std::nullopt;
  }

  void add_label(const std::string& name, const MemberName& parts) {
    const bool is_json = parts.extension() == ".json";
    const std::size_t limit = is_json ? max_json : max_label;
    std::vector<std::uint8_t> bytes;
    const std::optional<std::string> error = read(limit + 1, bytes);
    if (!error) return end_damaged({.path = path_ + "/" + name});
    std::string text(bytes.begin(), bytes.end());
    std::optional<std::string> label;
    if (error->empty() && bytes.size() <= limit) label = is_json ? label_in_json(text) : std::move(text);
    if (!label || label->size() > max_label) return skipped_.add(path_of(name));
    label->erase(label->find_last_not_of(" \r\n\t") + 1);
    samples_.add_label(parts, *std::move(label));
  }

  /// The text or whole number under "label", if this is a JSON object with one.
  static std::optional<std::string> label_in_json(const std::string& text) {
    try {
      const nlohmann::json object = beit::parse_json(text, ".json");
      const auto found = object.find("label");
      if (found == object.end() || !(found->is_string() || found->is_number_integer())) return std::nullopt;
      return found->is_string() ? found->get<std::string>() : found->dump();
    } catch (const beit::Error&) {
      return std::nullopt;
    }
  }

  void add_image(const std::string& name, const MemberName& parts) {
    Item item{.path = path_ + "/" + name};
    const bool is_link = archive_.link().has_value();
    if (wanted_(index_)) {
      std::vector<std::uint8_t>& bytes = item.bytes.emplace();
      const std::optional<std::string> error = read(max_bytes, bytes);
      if (!error) return end_damaged(std::move(item));
      item.error = *error;
      if (bytes.size() == max_bytes) item.error = "found " + std::to_string(max_bytes) + " bytes or more, wanted less";
      bytes.shrink_to_fit();  // it may wait
      if (!item.error.empty()) item.bytes.reset();
    } else if (!is_link && !archive_.skip()) {
      return end_damaged(std::move(item));
    }
    item.index = index_++;
    // How large the target of a link is isn't known unless it is wanted.
    samples_.add_image(parts, std::move(item), is_link ? link_bytes : std::min(archive_.size(), max_bytes));
  }

  void end() {
    samples_.close();
    ended_ = true;
    if (index_ == first_index_) end_with({.path = path_, .error = "found no image files in the tar file"});
  }

  void end_damaged(Item item) {
    item.error = "the tar file is damaged here: " + archive_.reason();
    item.bytes.reset();
    end_with(std::move(item));
  }

  void end_with(Item item) {
    samples_.close();
    item.index = index_++;
    item.unseen = true;
    last_ = std::move(item);
    ended_ = true;
  }

  static constexpr std::size_t link_bytes = std::size_t{1} << 20;  // as which a link counts while it waits for a label

  std::string path_;
  std::int64_t first_index_;
  std::int64_t index_;
  Wanted wanted_;
  Skipped& skipped_;
  TarArchive archive_;
  TarLinks links_;
  TarSamples samples_;
  std::optional<Item> last_;  // the error with which the tar file ends
  bool first_ = true;         // whether no member has been read yet
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
