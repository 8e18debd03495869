// The folder to which embeddings are written in shards, and its records of the shards that are done.
//
//   OUT/job.json                        the model and options of all shards
//   OUT/img_emb/img_emb_00000.npy       (rows, C), one row per image that could be read
//   OUT/metadata/metadata_00000.jsonl   one object per row
//   OUT/done/done_00000.json            written last
//   OUT/input-0-of-2.json               the whole input that task 0 of 2 saw; until all shards are done
//   OUT/failed.jsonl                    one object per image that couldn't be read; written when all shards are done
#pragma once

#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/beit.hpp>

#include "../inputs/skipped.hpp"
#include "../json_lines.hpp"
#include "../model.hpp"
#include "../paths.hpp"
#include "../row_lines.hpp"
#include "done_shard.hpp"

namespace programs {

/// The option that names the order of the resize's passes.
inline constexpr const char* pass_order_key = "pass_order";

/// The option that says whether rows have unit length.
inline constexpr const char* normalize_key = "normalize";

inline void write_synced(const std::filesystem::path& path, const std::string& text) {
  beit::AtomicFile file(path);
  file.write(text);
  file.close(beit::Sync::yes);
}

/// The names and files of one output folder. Error messages begin with the folder's name.
class ShardFolder {
 public:
  explicit ShardFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path job() const { return path_ / "job.json"; }
  std::filesystem::path failed() const { return path_ / "failed.jsonl"; }
  std::filesystem::path done_folder() const { return path_ / "done"; }
  std::filesystem::path embeddings(std::int64_t shard) const { return file("img_emb", shard, ".npy"); }
  std::filesystem::path metadata(std::int64_t shard) const { return file("metadata", shard, ".jsonl"); }
  std::filesystem::path done(std::int64_t shard) const { return file("done", shard, ".json"); }

  /// Makes the folder. Throws beit::FileError if that fails.
  void make() const {
    std::error_code error;
    if (std::filesystem::create_directories(path_, error); error) {
      throw beit::FileError(text() + ": can't make the folder: " + error.message());
    }
  }

  /// Prepares the folder for this job. Throws beit::Error if it belongs to another job, or has files that no job wrote.
  void open(const Json& job_options) const {
    namespace fs = std::filesystem;
    std::error_code error;
    // Checked before job.json is read: another task may write job.json, and then its first output, meanwhile.
    const bool has_output = !is_empty(path_ / "img_emb") || !is_empty(path_ / "metadata") || !is_empty(done_folder());
    const std::optional<Json> found = read_record(job());
    if (has_output && !found) {
      throw beit::FileError(text() +
                            ": found files but no job.json, wanted an output folder of beit-embed, or a new one");
    }
    if (has_output) require_same(*found, job_options);
    for (const char* const name : {"img_emb", "metadata", "done"}) {
      if (fs::create_directories(path_ / name, error); error) {
        throw beit::FileError(name_of(path_ / name) + ": can't make the folder: " + error.message());
      }
    }
    if (!found || without_skipped(*found) != job_options) write_synced(job(), json_text(job_options));
  }

  /// Adds the files that were skipped to job.json, for example {".webp": 4}, and the number of files and folders that
  /// couldn't be looked at, if there are any. Must be called after all of the input has been seen.
  void note_skipped(Json job_options, const Skipped& files) const {
    for (const auto& [kind, count] : files.kinds()) job_options[skipped_key][kind] = count;
    if (files.unreachable() > 0) job_options[unreachable_key] = files.unreachable();
    if (read_record(job()) != job_options) write_synced(job(), json_text(job_options));
  }

  /// Reads the folder's job. Throws beit::FileError if there is none.
  Json job_options() const {
    std::optional<Json> found = read_record(job());
    if (!found) throw beit::FileError(text() + ": found no job.json, wanted an output folder of beit-embed");
    return without_skipped(std::move(*found));
  }

  /// An option that job.json records, or null if it records none, or if there is no job.json.
  Json recorded(const std::string& key) const {
    const std::optional<Json> found = read_record(job());
    return found ? option_of(*found, key) : Json(nullptr);
  }

  /// Reads the record of a shard that is done. Returns nothing if it isn't done, or if its files have changed since.
  /// Throws beit::Error if another job wrote it.
  std::optional<DoneShard> read_done(std::int64_t shard, const Json& job_options) const {
    std::optional<Json> found = read_record(done(shard));
    if (!found) return std::nullopt;
    try {
      require_same(found->at("job"), job_options);
      std::error_code no_file;  // the size of a missing file is the largest number
      const bool whole = std::filesystem::file_size(embeddings(shard), no_file) == found->at("embeddings_bytes") &&
                         std::filesystem::file_size(metadata(shard), no_file) == found->at("metadata_bytes");
      return whole ? std::optional(DoneShard(std::move(*found))) : std::nullopt;
    } catch (const Json::exception& error) {
      throw beit::FileError(name_of(done(shard)) + ": damaged: " + error.what());
    }
  }

  /// The numbers of the shards that have records. Throws beit::FileError if the folder of records can't be read.
  std::set<std::int64_t> done_shards() const {
    std::set<std::int64_t> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(done_folder(), error), end; !error && entry != end;
         entry.increment(error)) {
      const std::int64_t shard = shard_of(entry->path());
      if (shard >= 0 && entry->path() == done(shard)) found.insert(shard);
    }
    if (error) throw beit::FileError(name_of(done_folder()) + ": can't be read: " + error.message());
    return found;
  }

  /// The names of a shard's images: first those with a row, in their order, then those that failed.
  std::vector<std::string> names(std::int64_t shard, const DoneShard& done) const {
    const auto rows = done.images() - static_cast<std::int64_t>(done.failed().size());
    std::vector<std::string> names;
    RowLines lines(metadata(shard), rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      lines.next();
      names.push_back(lines.text("path").value_or(""));
    }
    for (const Json& failed : done.failed()) names.push_back(failed.at("path").get<std::string>());
    return names;
  }

  /// Removes the temporary files that a killed process left behind, if `of_ours` returns true for their shard.
  template <typename OfOurs>
  void remove_leftovers(const OfOurs& of_ours) const {
    for (const std::filesystem::path& folder : {path_, path_ / "img_emb", path_ / "metadata", done_folder()}) {
      std::error_code error;
      for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
           entry.increment(error)) {
        const std::filesystem::path target = beit::target_of_temporary(entry->path());
        std::error_code ignored;
        if (!target.empty() && of_ours(shard_of(target))) std::filesystem::remove(entry->path(), ignored);
      }
    }
  }

  /// Reads a file of one JSON object; nothing if there is no file. Throws beit::FileError if it is damaged.
  static std::optional<Json> read_record(const std::filesystem::path& path) {
    std::error_code error;
    if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found) return std::nullopt;
    Json found = Json::parse(beit::RegularFile(path).read().text(), nullptr, false);
    if (!found.is_object()) throw beit::FileError(name_of(path) + ": damaged: wanted a JSON object");
    return found;
  }

  /// The number in the name of a shard's file, or -1 for any other file.
  static std::int64_t shard_of(const std::filesystem::path& path) {
    const std::string stem = name_of(path.stem());
    const std::string digits = stem.substr(stem.rfind('_') + 1);
    if (digits.size() < 5 || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) {
      return -1;
    }
    return std::stoll(digits);
  }

 private:
  // Not among the options that a shard depends on.
  static constexpr const char* skipped_key = "skipped";
  static constexpr const char* unreachable_key = "unreachable";

  static Json without_skipped(Json job) {
    job.erase(skipped_key);
    job.erase(unreachable_key);
    return job;
  }

  std::string text() const { return name_of(path_); }

  std::filesystem::path file(const std::string& kind, std::int64_t shard, const char* extension) const {
    std::ostringstream name;
    name << kind << '_' << std::setw(5) << std::setfill('0') << shard << extension;
    return path_ / kind / name.str();
  }

  static bool is_empty(const std::filesystem::path& folder) {
    std::error_code error;
    const std::filesystem::directory_iterator first(folder, error);
    return error || first == std::filesystem::directory_iterator();
  }

  /// An option in a record, or null. A record without an option that came later was made by its default.
  static Json option_of(const Json& job, const std::string& key) {
    const bool is_visual = job.is_object() && job.contains("tokens") && job["tokens"] == "visual";
    if (key == "dtype" && is_visual) return "int32";  // for which earlier versions recorded float32
    if (job.is_object() && job.contains(key)) return job[key];
    if (key == demo_key) return true;  // as the hash of the model says, which is compared too
    if (key == pass_order_key) return beit::pass_order_name(beit::PassOrder::across_first);
    return key == normalize_key ? Json(false) : Json(nullptr);
  }

  void require_same(const Json& found, const Json& wanted) const {
    for (const auto& [key, value] : wanted.items()) {
      const Json old = option_of(found, key);
      if (old == value) continue;
      throw beit::ArgumentError(text() + ": found shards made with " + key + " " + old.dump() + ", wanted " +
                                value.dump() + ": use the same model and options, or another folder");
    }
  }

  std::filesystem::path path_;
};

}  // namespace programs
