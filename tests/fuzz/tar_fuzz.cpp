// libFuzzer target: any bytes are a tar file whose images are read one after the other, the last one an error where it
// is damaged. Needs libarchive.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -DBEIT_HAS_LIBARCHIVE -I include -I EIGEN
//       tests/fuzz/tar_fuzz.cpp -larchive
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "../../examples/programs/inputs/tar_reader.hpp"
#include "memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  static const std::atomic<bool> stopping = false;
  programs::Skipped skipped;
  // Every third image isn't wanted, as if it belonged to another task.
  programs::TarReader reader(
      file.with(data, size), 0, [](std::int64_t index) { return index % 3 != 2; }, skipped, stopping);
  std::int64_t wanted = 0;
  bool ended = false;
  while (const std::optional<programs::Item> item = reader.next()) {
    if (ended || item->index != wanted++) std::abort();
    if (!item->error.empty() && item->bytes) std::abort();
    ended = item->error.find("the tar file is damaged here") != std::string::npos;
  }
  if (wanted == 0) std::abort();  // an empty image is an error
  return 0;
}
