// The folder that embeddings are written to in shards, and what it says of those that are done.
//
//   OUT/job.json                        the model and the options of all shards
//   OUT/img_emb/img_emb_00000.npy       (rows, C), a row an image that could be read
//   OUT/metadata/metadata_00000.jsonl   an object a row
//   OUT/done/done_00000.json            written last
//   OUT/failed.jsonl                    an object an image that couldn't be read; written when all shards are done
#pragma once

#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <beit/beit.hpp>

#include "../inputs/skipped.hpp"
#include "../paths.hpp"

namespace programs {

using Json = nlohmann::ordered_json;

/// One line. Names of files need not be UTF-8, JSON has to be.
inline std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

inline void write_synced(const std::filesystem::path& path, const std::string& text) {
  beit::AtomicFile file(path);
  file.write(text);
  file.close(beit::Sync::yes);
}

/// Names and files of one output folder. What is said of a mistake begins with the folder's name.
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

  /// beit::FileError where it can't be made.
  void make() const {
    std::error_code error;
    if (std::filesystem::create_directories(path_, error); error) {
      throw beit::FileError(text() + ": can't make the folder: " + error.message());
    }
  }

  /// Makes the folder one of this job. beit::Error where it is another job's, or holds what no job wrote.
  void open(const Json& job_options) const {
    namespace fs = std::filesystem;
    std::error_code error;
    // Looked at before job.json, which another task may be about to write ahead of its first output.
    const bool has_output = !is_empty(path_ / "img_emb") || !is_empty(path_ / "metadata") || !is_empty(done_folder());
    const std::optional<Json> found = read(job());
    if (has_output && !found) {
      throw beit::FileError(text() + ": holds files but no job.json: wanted a folder of this program's, or a new one");
    }
    if (has_output) require_same(*found, job_options);
    for (const char* const name : {"img_emb", "metadata", "done"}) {
      if (fs::create_directories(path_ / name, error); error) {
        throw beit::FileError(name_of(path_ / name) + ": can't make the folder: " + error.message());
      }
    }
    if (!found || without_skipped(*found) != job_options) write_synced(job(), json_line(job_options));
  }

  /// Once all of the input has been seen: adds what of it wasn't read to the job, {".webp": 4}, where there is any.
  void note_skipped(Json job_options, const Skipped& files) const {
    for (const auto& [kind, count] : files.kinds()) job_options[skipped_key][kind] = count;
    if (read(job()) != job_options) write_synced(job(), json_line(job_options));
  }

  /// The job of the folder. beit::FileError where there is none.
  Json job_options() const {
    std::optional<Json> found = read(job());
    if (!found) throw beit::FileError(text() + ": found no job.json, wanted an output folder of beit-embed");
    return without_skipped(std::move(*found));
  }

  /// What was written when the shard was done: nothing where it isn't, or where its files aren't as they were then.
  /// beit::Error where it was made by another job.
  std::optional<Json> read_done(std::int64_t shard, const Json& job_options) const {
    std::optional<Json> found = read(done(shard));
    if (!found) return std::nullopt;
    try {
      require_same(found->at("job"), job_options);
      std::error_code no_file;  // whose size is the largest number
      const bool whole = std::filesystem::file_size(embeddings(shard), no_file) == found->at("embeddings_bytes") &&
                         std::filesystem::file_size(metadata(shard), no_file) == found->at("metadata_bytes");
      return whole ? std::move(found) : std::nullopt;
    } catch (const Json::exception& error) {
      throw beit::FileError(name_of(done(shard)) + ": damaged: " + error.what());
    }
  }

  /// Removes temporary files that a killed process left behind: those of the shards that `of_ours` says it is for.
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

  /// The number in the name of a shard's file; -1 for any other file.
  static std::int64_t shard_of(const std::filesystem::path& path) {
    const std::string stem = name_of(path.stem());
    const std::string digits = stem.substr(stem.rfind('_') + 1);
    if (digits.size() < 5 || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) {
      return -1;
    }
    return std::stoll(digits);
  }

 private:
  static constexpr const char* skipped_key = "skipped";  // not one of the options that a shard depends on

  static Json without_skipped(Json job) {
    job.erase(skipped_key);
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

  static std::optional<Json> read(const std::filesystem::path& path) {
    std::error_code error;
    if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found) return std::nullopt;
    const beit::MappedFile file(path);
    const std::string_view json(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    Json found = Json::parse(json, nullptr, false);
    if (!found.is_object()) throw beit::FileError(name_of(path) + ": damaged: wanted a JSON object");
    return found;
  }

  void require_same(const Json& found, const Json& wanted) const {
    for (const auto& [key, value] : wanted.items()) {
      const Json old = found.is_object() && found.contains(key) ? found[key] : Json(nullptr);
      if (old == value) continue;
      throw beit::ArgumentError(text() + ": was made with " + key + " " + old.dump() + ", found " + value.dump() +
                                " now: give the same model and options, or another folder");
    }
  }

  std::filesystem::path path_;
};

}  // namespace programs
