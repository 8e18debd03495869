// Helpers of the io tests: temporary folders, whole files as strings, messages of exceptions, safetensors made by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace beit_test {

/// An empty folder, removed with all that is in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device seed;
    do {
      path_ = std::filesystem::temp_directory_path() / ("beit-io-test-" + std::to_string(seed()));
    } while (!std::filesystem::create_directory(path_));
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::ptrdiff_t file_count() const { return std::distance(std::filesystem::directory_iterator(path_), {}); }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(BEIT_TESTS_DIR) / "golden" / name;
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The message of the ErrorType that `action` throws; fails the test when it throws nothing.
template <typename ErrorType, typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const ErrorType& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

/// The bytes of a safetensors file with this header, whose length may lie.
inline std::string safetensors_text(std::string_view header, std::string_view data, std::uint64_t length) {
  std::string result;
  for (int i = 0; i < 8; ++i) result += static_cast<char>(length >> (8 * i) & 0xFF);
  return result.append(header).append(data);
}
inline std::string safetensors_text(std::string_view header, std::string_view data = "") {
  return safetensors_text(header, data, header.size());
}

}  // namespace beit_test
