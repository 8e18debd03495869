// Hashes by XXH3 with 128 bits: no protection against forgery, but fast enough for a file of weights at each start.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <beit/beit.hpp>
#include <beit/io/weight_files.hpp>

#include "../model.hpp"
#include "../paths.hpp"

namespace programs {

class Hash {
 public:
  Hash() : state_(XXH3_createState()) {
    if (!state_) throw std::bad_alloc();
    reset();
  }

  void reset() { XXH3_128bits_reset(state_.get()); }
  void add(const void* data, std::size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  /// Adds the text and its terminating zero, so that "ab", "c" and "a", "bc" have different hashes.
  void add(const std::string& text) { add(text.c_str(), text.size() + 1); }

  /// The upper and the lower half.
  std::array<std::uint64_t, 2> value() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return {hash.high64, hash.low64};
  }

  /// 32 hexadecimal digits.
  std::string hex() const {
    const auto [high, low] = value();
    std::array<char, 33> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(high),
                  static_cast<unsigned long long>(low));
    return text.data();
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

/// Adds a file's bytes, keeping only a few of them in memory at a time.
inline void add_file(Hash& hash, const std::filesystem::path& path) {
  const beit::MappedFile file(path);
  constexpr std::size_t block = std::size_t{1} << 22;
  for (std::size_t begin = 0; begin < file.bytes().size(); begin += block) {
    const std::span<const std::byte> part =
        file.bytes().subspan(begin).first(begin + block < file.bytes().size() ? block : file.bytes().size() - begin);
    hash.add(part.data(), part.size());
    file.release(begin, part.size());
  }
}

/// Hashes all files on which the model of `options` depends: the weights, or the `demo` that stands for no weights; the
/// configuration files beside them if beit::load reads any; and the preprocessing.
inline std::string fingerprint(const ModelOptions& options, std::span<const std::byte> demo) {
  Hash hash;
  std::error_code ignored;
  const std::filesystem::path given = path_of(options.model);
  const bool folder = std::filesystem::is_directory(given, ignored);
  const std::filesystem::path beside = folder ? given : given.parent_path();
  if (options.model.empty()) {
    hash.add(demo.data(), demo.size());
  } else {
    for (const beit::SafeTensors& file : beit::open_weight_files(given)) add_file(hash, path_of(file.name()));
  }
  if (folder || given.filename() == "model.safetensors" || given.extension() == ".json") {
    for (const char* name : {"config.json", "preprocessor_config.json", "processor_config.json"}) {
      if (std::filesystem::exists(beside / name, ignored)) add_file(hash, beside / name);
    }
  }
  if (!options.preprocessing.empty()) {
    hash.add("--preprocessing");
    add_file(hash, path_of(options.preprocessing));
  }
  return "xxh3:" + hash.hex();
}

}  // namespace programs
