// Brings the images and labels in a tar file together, wherever each stands in it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "../paths.hpp"
#include "item.hpp"
#include "skipped.hpp"

namespace programs {

/// The parts of a member's name "data.v1/007.left.png".
struct MemberName {
  std::string whole;
  std::string stem;    // without the last extension: "data.v1/007.left"
  std::string sample;  // up to the first dot behind the last slash: "data.v1/007"

  /// Splits a normal name.
  explicit MemberName(std::string name) : whole(std::move(name)) {
    const std::size_t base = whole.rfind('/') + 1;  // 0 without a slash
    const std::size_t dot = whole.rfind('.');
    stem = whole.substr(0, dot == std::string::npos || dot < base ? whole.size() : dot);
    sample = whole.substr(0, std::min(whole.find('.', base), whole.size()));
  }

  /// ".png", or "" without a dot.
  std::string extension() const { return whole.substr(stem.size()); }
};

/// Puts the labels on images. The label of an image is the first of these members: a `.cls` file whose name is the same
/// except for the last extension; `SAMPLE.cls`; `SAMPLE.target.cls`; and `.json` files in place of the first two. A
/// sample is all members whose names are the same up to the first dot after the last slash, as in WebDataset, but they
/// need not stand together. If a name comes again, as in archives that were joined, a new sample of that key begins.
///
/// Images wait for their labels, and labels for their images, in 16 MiB each. Eight images wait whatever their sizes.
/// Members that come later are left over: an image without a label, a label in the count of skipped files.
class TarSamples {
 public:
  explicit TarSamples(Skipped& skipped) : skipped_(skipped) {}

  /// Adds the next image. The bound counts it as `bytes`, which must not depend on whether the image is wanted.
  void add_image(const MemberName& name, Item item, std::size_t bytes) {
    Sample& sample = sample_for(name, std::nullopt);
    sample.has_image = true;
    const std::size_t cost = bytes + 2 * name.whole.size() + overhead;
    sample.waiting.push_back(&waiting_.emplace_back(Waiting{std::move(item), name.stem, &sample, cost}));
    waiting_bytes_ += cost;
    settle();
  }

  /// Adds the text of a `.cls` or `.json` file.
  void add_label(const MemberName& name, std::string text) {
    sample_for(name, std::move(text));
    settle();
  }

  /// Says that no more members follow.
  void close() {
    while (!samples_.empty()) close_oldest();
    settle();
  }

  /// Takes out the next image that waits no longer, in the order in which they were added.
  std::optional<Item> next() {
    if (ready_.empty()) return std::nullopt;
    Item item = std::move(ready_.front());
    ready_.pop_front();
    return item;
  }

 private:
  static constexpr std::size_t max_bytes = std::size_t{16} << 20;  // of waiting images, and of samples
  static constexpr std::size_t min_images = 8;                     // that wait whatever their sizes
  static constexpr std::size_t overhead = 512;                     // bytes of containers for each member, roughly

  struct Member {
    std::optional<std::string> label;  // nothing for an image
    bool used = false;
  };
  struct Waiting;
  struct Sample {
    std::string key;
    std::map<std::string, Member> members{};
    std::deque<Waiting*> waiting{};  // its images that have no label yet, in order
    std::size_t bytes = 0;
    bool has_image = false;
  };
  struct Waiting {
    Item item;
    std::string stem;
    Sample* sample;  // null once the image has what label there is
    std::size_t bytes;
  };

  /// Adds a member to the latest sample of its key, or to a new one.
  Sample& sample_for(const MemberName& name, std::optional<std::string> label) {
    auto found = by_key_.find(name.sample);
    if (found != by_key_.end() && found->second->members.contains(name.whole)) {
      close(found->second);
      found = by_key_.end();
    }
    if (found == by_key_.end()) {
      samples_.push_back({.key = name.sample});
      found = by_key_.emplace(name.sample, std::prev(samples_.end())).first;
    }
    Sample& sample = *found->second;
    const std::size_t cost = 2 * name.whole.size() + (label ? label->size() : 0) + overhead;
    sample.members.emplace(name.whole, Member{std::move(label)});
    sample.bytes += cost;
    samples_bytes_ += cost;
    return sample;
  }

  /// Takes an image, the first of its sample that waits, out of it with its label.
  static void put_label(Waiting& image) {
    Sample& sample = *std::exchange(image.sample, nullptr);
    sample.waiting.pop_front();
    for (const std::string& name : {image.stem + ".cls", sample.key + ".cls", sample.key + ".target.cls",
                                    image.stem + ".json", sample.key + ".json"}) {
      const auto found = sample.members.find(name);
      if (found == sample.members.end() || !found->second.label) continue;
      image.item.label = *found->second.label;
      found->second.used = true;
      return;
    }
  }

  /// Forgets a sample, and counts those of its labels that no image has.
  void close(std::list<Sample>::iterator sample) {
    while (!sample->waiting.empty()) put_label(*sample->waiting.front());
    for (const auto& [name, member] : sample->members) {
      // The .json beside an image may repeat what its .cls says.
      if (!member.label || member.used || (sample->has_image && name.ends_with(".json"))) continue;
      skipped_.add_label(path_of(name));
    }
    samples_bytes_ -= sample->bytes;
    by_key_.erase(sample->key);
    samples_.erase(sample);
  }
  void close_oldest() { close(samples_.begin()); }

  /// Releases images that need not wait, and forgets the oldest samples, until both are within their bounds.
  void settle() {
    while (samples_bytes_ > max_bytes) close_oldest();
    while (!waiting_.empty()) {
      Waiting& image = waiting_.front();
      const bool may_wait = image.sample != nullptr && !image.sample->members.contains(image.stem + ".cls");
      if (may_wait && (waiting_bytes_ <= max_bytes || waiting_.size() < min_images)) return;
      if (image.sample != nullptr) put_label(image);
      waiting_bytes_ -= image.bytes;
      ready_.push_back(std::move(image.item));
      waiting_.pop_front();
    }
  }

  Skipped& skipped_;
  std::list<Sample> samples_;  // the oldest first
  std::unordered_map<std::string, std::list<Sample>::iterator> by_key_;
  std::size_t samples_bytes_ = 0;
  std::deque<Waiting> waiting_;  // images in order
  std::size_t waiting_bytes_ = 0;
  std::deque<Item> ready_;
};

}  // namespace programs
