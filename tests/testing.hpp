// Helpers that the tests of every folder share: golden files, temporary folders, bytes, messages of exceptions.
//
// Each file of tests puts what it defines into a namespace of its own in this one, beit_test::block_test in
// block_test.cpp: names of two files never meet where CMAKE_UNITY_BUILD joins them, and these helpers need no prefix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/error.hpp>

namespace beit_test {

/// A file of tests/golden.
inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(BEIT_TESTS_DIR) / "golden" / name;
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw beit::FileError("there is no file " + path.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// An empty folder, removed at the end with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device seed;
    do {
      path_ = std::filesystem::temp_directory_path() / ("beit-test-" + std::to_string(seed()));
    } while (!std::filesystem::create_directory(path_));
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::ptrdiff_t file_count() const { return std::distance(std::filesystem::directory_iterator(path_), {}); }

  /// A file of this text in the folder.
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    write_file(path_ / name, text);
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// The message of the ErrorType that `action` throws; "no error" when it throws nothing.
template <typename ErrorType = beit::Error, typename Action>
std::string message_of(const Action& action) {
  try {
    static_cast<void>(action());
  } catch (const ErrorType& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another type of error: ") + error.what();
  }
  return "no error";
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
