// Decodes and preprocesses images in batches while the model runs on the batches before them.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../for_users.hpp"
#include "../paths.hpp"
#include "../timings.hpp"
#include "finite.hpp"
#include "input_progress.hpp"
#include "item.hpp"
#include "stop.hpp"

namespace programs {

/// Images in the order of their source, and the model's input for those that could be read.
struct Batch {
  std::vector<Item> items;
  beit::Matrix x;  // (batch_size, 3*H*W), in the layout of Batches; the first `rows` are used, one for each item
                   // without an error
  beit::Index rows = 0;
};

/// A ring of batches that its own threads fill. They wait when it is full, so that memory doesn't grow with the number
/// of images.
class Batches {
 public:
  Batches(ItemSource& source, const beit::Config& config, const beit::DecodeOptions& options, beit::Index batch_size,
          beit::Index threads, beit::TensorLayout layout = beit::TensorLayout::channels_first)
      : source_(source),
        config_(config),
        options_(options),
        layout_(layout),
        batch_size_(static_cast<std::size_t>(batch_size)) {
    if (config.in_chans != 3) {
      throw beit::ConfigError("the model takes " + std::to_string(config.in_chans) +
                              " channels, wanted 3: photographs are red, green and blue");
    }
    // One batch for the model, one that is ready, and room for one image per thread.
    ring_.resize(static_cast<std::size_t>(2 + (threads + batch_size - 1) / batch_size));
    for (Slot& slot : ring_) {
      slot.batch.items.reserve(batch_size_);
      slot.batch.x = beit::Matrix(batch_size, config.in_chans * config.image_size.area());
    }
    try {
      for (beit::Index i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;
  ~Batches() { stop(); }

  /// Returns the next batch, which is valid until the next call, or null at the end. Throws what the source throws, and
  /// Interrupted.
  Batch* next() {
    std::unique_lock lock(mutex_);
    if (std::exchange(lent_, false)) {
      ring_[taken_++ % ring_.size()].batch.items.clear();
      room_.notify_one();
    }
    const auto can_go_on = [this] {
      return error_ != nullptr || (taken_ < closed_ ? ring_[taken_ % ring_.size()].undone == 0 : finished_);
    };
    do {
      if (stop_signal != 0) throw Interrupted();
      if (error_ != nullptr) std::rethrow_exception(error_);
    } while (!ready_.wait_for(lock, std::chrono::milliseconds(100), can_go_on) || error_ != nullptr);
    if (taken_ == closed_) return nullptr;
    lent_ = true;
    Batch& batch = ring_[taken_ % ring_.size()].batch;
    close_up(batch);
    return &batch;
  }

  /// The time so far. What uses the batches adds the model's.
  Timings& timings() { return timings_; }

 private:
  struct Slot {
    Batch batch;
    std::size_t undone = 0;  // images on which threads are still working
  };

  void stop() {
    source_.stop();
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void work() {
    try {
      while (const std::optional<std::pair<Slot*, std::size_t>> place = take()) {
        Slot& slot = *place->first;
        float* const row = slot.batch.x.row(static_cast<beit::Index>(place->second));
        decode(slot.batch.items[place->second], {row, static_cast<std::size_t>(slot.batch.x.cols())});
        const std::lock_guard lock(mutex_);
        if (--slot.undone == 0) ready_.notify_one();
      }
    } catch (...) {
      fail();
    }
  }

  /// Stores the exception that is being handled; next() will throw it.
  void fail() {
    const std::lock_guard lock(mutex_);
    if (error_ == nullptr) error_ = std::current_exception();
    finished_ = true;
    room_.notify_all();
    ready_.notify_one();
  }

  /// Puts the source's next image into the ring and returns its place, or nothing at the end.
  std::optional<std::pair<Slot*, std::size_t>> take() {
    const std::lock_guard one_at_a_time(source_mutex_);
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [this] { return finished_ || closed_ - taken_ < ring_.size(); });
      if (finished_) return std::nullopt;
    }
    std::optional<Item> item;
    try {
      item = source_.next();  // without holding mutex_, because it may wait for a file
    } catch (...) {
      fail();  // before another thread can call a source that has failed
      return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    Slot& slot = ring_[closed_ % ring_.size()];
    std::vector<Item>& items = slot.batch.items;
    if (item) {
      items.push_back(std::move(*item));
      ++slot.undone;
    } else {
      finished_ = true;
    }
    if (items.size() == batch_size_ || (finished_ && !items.empty())) ++closed_;
    if (finished_) ready_.notify_one();
    if (!item) return std::nullopt;
    return std::pair(&slot, items.size() - 1);
  }

  void decode(Item& item, std::span<float> row) {
    if (!item.is_to_do()) return;
    try {
      const beit::Image image = timed(timings_.decoding, [&] {
        return item.bytes ? beit::decode_image(*item.bytes, options_, item.path)
                          : beit::read_image(path_of(item.path), options_);
      });
      item.bytes.reset();
      item.describe(image);
      timed(timings_.preprocessing, [&] { beit::preprocess(config_.preprocessing, image, row, layout_); });
    } catch (const std::bad_alloc&) {
      throw;  // not the image's fault
    } catch (const std::exception& error) {
      item.error = for_users(error.what());
      if (item.error.starts_with(item.path + ": ")) item.error.erase(0, item.path.size() + 2);
    }
  }

  /// Removes the rows of images that can't be read.
  static void close_up(Batch& batch) {
    batch.rows = 0;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
      if (!batch.items[i].is_to_do()) continue;
      const float* row = batch.x.row(static_cast<beit::Index>(i));
      if (batch.x.row(batch.rows) != row) std::copy_n(row, batch.x.cols(), batch.x.row(batch.rows));
      ++batch.rows;
    }
  }

  ItemSource& source_;
  const beit::Config& config_;
  beit::DecodeOptions options_;
  beit::TensorLayout layout_;
  std::size_t batch_size_;
  std::vector<Slot> ring_;
  std::mutex source_mutex_;  // taken before mutex_
  std::mutex mutex_;         // guards all members below
  std::condition_variable room_;
  std::condition_variable ready_;
  std::size_t taken_ = 0;   // batches that next() returned and whose caller has finished with them
  std::size_t closed_ = 0;  // batches that get no more images
  bool lent_ = false;
  bool finished_ = false;
  std::exception_ptr error_;
  Timings timings_;
  std::vector<std::thread> threads_;
};

/// The numbers of a model's result.
inline std::span<const float> numbers_of(const beit::Matrix& out) {
  return {out.data(), static_cast<std::size_t>(out.size())};
}
inline std::span<const std::int32_t> numbers_of(const std::vector<std::int32_t>& out) { return out; }

/// Runs a model on batch after batch. `forward` maps x (B, 3*H*W) to a matrix, or a vector of tokens, with the same
/// number of elements for each image. `visit(item, numbers)` is called for each image in order, with its numbers, or
/// with none if the item has an error: the image can't be read, or a number isn't finite. The progress line is cleared
/// before `visit` prints.
template <typename Forward, typename Visit>
void run_batches(Batches& batches, InputProgress& progress, const Forward& forward, const Visit& visit) {
  std::size_t done = 0;
  while (Batch* const batch = batches.next()) {
    using Out = std::invoke_result_t<Forward, beit::ConstRows>;
    const auto run = [&] { return forward(beit::ConstRows(batch->x.map().topRows(batch->rows))); };
    const Out out = batch->rows > 0 ? timed(batches.timings().model, run) : Out();
    const auto numbers = numbers_of(out);
    const std::size_t count = batch->rows > 0 ? numbers.size() / static_cast<std::size_t>(batch->rows) : 0;
    progress.clear();
    std::size_t begin = 0;
    for (Item& item : batch->items) {
      const auto own = numbers.subspan(begin, item.is_to_do() ? count : 0);
      begin += own.size();
      if (item.is_to_do()) item.error = fault_of(own);
      visit(std::as_const(item), item.error.empty() ? own : own.first(0));
    }
    std::cout.flush();
    if (stop_signal != 0) throw Interrupted();  // a closed pipe isn't worth an error message
    if (!std::cout) throw std::runtime_error("standard output: can't write");
    progress.show(done += batch->items.size());
  }
  progress.clear();
}

}  // namespace programs
