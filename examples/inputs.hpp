// From the arguments of a program to batches of a model's input.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "output.hpp"
#include "paths.hpp"
#include "skipped.hpp"

namespace programs {

struct Input {
  std::string name;   // as the user wrote it, or folder/file
  std::string error;  // why there is no image; empty where there is one
  std::filesystem::path path{};
};

/// The image files directly in a folder, sorted by name; an Input with an error where there are none. What else is in
/// it is counted.
inline std::vector<Input> list_folder(const std::filesystem::path& folder, Skipped& skipped) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> paths;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    const fs::file_type type = entry->status(ignored).type();
    // A link to nothing stays in, for its error to be seen.
    const bool is_file = type == fs::file_type::regular || type == fs::file_type::not_found;
    if (is_file && is_image_file(entry->path().filename())) {
      paths.push_back(entry->path());
    } else if (is_file) {
      skipped.add(entry->path().filename());
    } else if (type == fs::file_type::directory) {
      is_apple_double(entry->path().filename()) ? skipped.add_apple_folder(entry->path()) : skipped.add_folder();
    }
  }
  if (error) return {{name_of(folder), "can't read the folder: " + error.message()}};
  if (paths.empty()) return {{name_of(folder), "found no image files in the folder"}};
  std::sort(paths.begin(), paths.end());
  std::vector<Input> inputs;
  for (const fs::path& path : paths) inputs.push_back({name_of(path), {}, path});
  return inputs;
}

/// All images that the arguments name, in their order.
inline std::vector<Input> list_inputs(const std::vector<std::string>& arguments, Skipped& skipped) {
  std::vector<Input> inputs;
  for (const std::string& argument : arguments) {
    std::error_code ignored;
    if (argument.empty()) {
      inputs.push_back({argument, "found an empty name, wanted an image or a folder"});
      continue;
    }
    if (!std::filesystem::is_directory(path_of(argument), ignored)) {
      inputs.push_back({argument, {}, path_of(argument)});
      continue;
    }
    for (Input& input : list_folder(path_of(argument), skipped)) inputs.push_back(std::move(input));
  }
  return inputs;
}

/// Set by a signal; seen between two batches, and by threads that wait for input.
inline std::atomic<int> stop_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "for a signal's handler");

/// Thrown where a signal asks for an early end, so that destructors remove temporary files.
struct Interrupted {};

/// Decodes and preprocesses images in parallel, a batch at a time: memory doesn't grow with their number.
class BatchReader {
 public:
  BatchReader(std::vector<Input> inputs, const beit::Config& config, beit::DecodeOptions options,
              beit::Index batch_size, const beit::Executor& executor)
      : inputs_(std::move(inputs)),
        config_(config),
        options_(options),
        executor_(executor),
        batch_size_(std::min(static_cast<std::size_t>(batch_size), inputs_.size())),
        x_(static_cast<beit::Index>(batch_size_), config.in_chans * config.image_size.area()),
        progress_(inputs_.size()) {
    if (config.in_chans != 3) {
      throw beit::ConfigError("the model takes " + std::to_string(config.in_chans) +
                              " channels, wanted 3: photographs are red, green and blue");
    }
  }

  /// Reads the next batch; false at the end. After it, the caller may print: the progress line is out of the way.
  bool next() {
    if (stop_signal != 0) throw Interrupted();
    if (!std::cout) throw std::runtime_error("standard output: can't write");
    done_ += batch_.size();
    if (done_ == inputs_.size()) return false;
    progress_.show(done_);
    batch_ = std::span(inputs_).subspan(done_, std::min(batch_size_, inputs_.size() - done_));
    executor_.for_each(static_cast<beit::Index>(batch_.size()),
                       [this](beit::Index i, beit::Index) { read(batch_[static_cast<std::size_t>(i)], x_.row(i)); });
    // Rows of unreadable images are closed up.
    rows_ = 0;
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      if (!batch_[i].error.empty()) continue;
      const float* row = x_.row(static_cast<beit::Index>(i));
      if (x_.row(rows_) != row) std::copy_n(row, x_.cols(), x_.row(rows_));
      ++rows_;
    }
    any_failed_ |= rows_ < static_cast<beit::Index>(batch_.size());
    progress_.clear();
    return true;
  }

  std::span<const Input> inputs() const { return batch_; }
  /// A row for each of inputs() without an error: (B, 3*H*W)
  beit::ConstRows x() const { return x_.map().topRows(rows_); }
  bool any_failed() const { return any_failed_; }

 private:
  void read(Input& input, float* row) const {
    if (!input.error.empty()) return;
    try {
      beit::preprocess(beit::read_image(input.path, options_), config_.preprocessing, row);
    } catch (const std::exception& error) {
      input.error = error.what();
      if (input.error.starts_with(input.name + ": ")) input.error.erase(0, input.name.size() + 2);
    }
  }

  std::vector<Input> inputs_;
  const beit::Config& config_;
  beit::DecodeOptions options_;
  beit::Executor executor_;
  std::size_t batch_size_;
  beit::Matrix x_;  // (batch_size, 3*H*W)
  Progress progress_;
  std::span<Input> batch_;
  std::size_t done_ = 0;  // inputs before batch_
  beit::Index rows_ = 0;  // of x_
  bool any_failed_ = false;
};

}  // namespace programs
