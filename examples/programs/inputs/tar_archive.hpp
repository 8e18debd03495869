// Reads the members of a tar file with libarchive, and follows links between members.
#pragma once

#if defined(BEIT_HAS_LIBARCHIVE)

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../paths.hpp"
#include "input_file.hpp"

namespace programs {

/// Reads the members of a tar file, one after the other, and those of tar files that are joined to its end.
class TarArchive {
 public:
  /// Opens the file; "-" is standard input. If it can't be opened, next() returns `damaged`.
  TarArchive(std::string path, const std::atomic<bool>& stopping)
      : path_(std::move(path)), archive_(archive_read_new()) {
    archive_read_support_filter_all(archive_.get());
    archive_read_support_format_tar(archive_.get());
    archive_read_set_format_option(archive_.get(), "tar", "read_concatenated_archives", "1");
    if (path_ == "-") {
      input_ = std::make_unique<Input>(path_, stopping);
      is_open_ = archive_read_open(archive_.get(), input_.get(), nullptr, &Input::read, nullptr) == ARCHIVE_OK;
    } else {
      is_open_ = archive_read_open_filename(archive_.get(), path_.c_str(), buffer_bytes) == ARCHIVE_OK;
    }
    rethrow();
  }

  enum class Next { member, end, damaged };

  /// Moves on to the next member.
  Next next() {
    if (!is_open_) return Next::damaged;
    const int status = archive_read_next_header(archive_.get(), &entry_);
    rethrow();
    if (status == ARCHIVE_EOF) {
      has_more_ = input_ != nullptr ? input_->has_more(consumed()) : has_more(path_, consumed());
      return has_more_ ? Next::damaged : Next::end;
    }
    // After ARCHIVE_RETRY, libarchive would look for a header further on, and images would be left out.
    return status == ARCHIVE_OK || status == ARCHIVE_WARN ? Next::member : Next::damaged;
  }

  /// The member's name: the bytes in the file, or UTF-8 if the archive says so and this process uses another encoding.
  std::string name() const { return text(archive_entry_pathname(entry_), archive_entry_pathname_utf8(entry_)); }

  /// The member's number of bytes as its header says, which isn't checked.
  std::size_t size() const { return static_cast<std::size_t>(std::max<la_int64_t>(archive_entry_size(entry_), 0)); }

  /// Whether the member is a file with contents of its own.
  bool is_file() const {
    return archive_entry_filetype(entry_) == AE_IFREG && archive_entry_hardlink(entry_) == nullptr;
  }

  /// The name, without "." and "..", of the member to which this one is a hard or symbolic link. Nothing if it is no
  /// link.
  std::optional<std::string> link() const {
    if (archive_entry_hardlink(entry_) != nullptr) {
      return normal(text(archive_entry_hardlink(entry_), archive_entry_hardlink_utf8(entry_)));
    }
    if (archive_entry_filetype(entry_) != AE_IFLNK) return std::nullopt;
    const std::string target = text(archive_entry_symlink(entry_), archive_entry_symlink_utf8(entry_));
    return normal(name_of(path_of(name()).parent_path() / path_of(target)));
  }

  /// Normalises a name: "./a/../b.png" becomes "b.png".
  static std::string normal(const std::string& name) {
    const std::u8string text = path_of(name).lexically_normal().generic_u8string();
    return {text.begin(), text.end()};
  }

  /// Reads at most `limit` bytes of the member. Returns false if the archive is damaged.
  bool read(std::size_t limit, std::vector<std::uint8_t>& out) {
    // The size in the header isn't trusted.
    while (out.size() < limit) {
      const std::size_t before = out.size();
      out.resize(std::min(limit, std::max(before * 2, buffer_bytes)));
      const la_ssize_t count = archive_read_data(archive_.get(), out.data() + before, out.size() - before);
      rethrow();
      out.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
      if (count < 0) return false;
      if (count == 0) break;
    }
    return true;
  }

  /// Skips the member's contents. Returns false if the archive is damaged.
  bool skip() {
    const bool done = archive_read_data_skip(archive_.get()) >= ARCHIVE_WARN;
    rethrow();
    return done;
  }

  /// Why the archive is damaged.
  std::string reason() const {
    if (has_more_) return "found bytes behind its end that aren't compressed as it is";
    const char* const given = archive_error_string(archive_.get());
    const std::string reason = given == nullptr ? "can't be read" : given;
    // libarchive keeps the system's reason apart: "Error reading 'a.tar'".
    const int code = archive_errno(archive_.get());
    const bool is_systems = reason.starts_with("Error reading") || reason.starts_with("Failed to open");
    return is_systems && code > 0 ? reason + ": " + std::generic_category().message(code) : reason;
  }

 private:
  static constexpr std::size_t buffer_bytes = 65536;

  /// Standard input for libarchive. libarchive is C code, so an exception is kept until it has returned.
  struct Input {
    Input(const std::string& path, const std::atomic<bool>& stopping)
        : file(path, "can't read the tar file", stopping) {}
    static la_ssize_t read(archive*, void* user, const void** out) {
      Input& self = *static_cast<Input*>(user);
      try {
        const std::string& block = self.file.read();
        self.delivered += static_cast<std::int64_t>(block.size());
        *out = block.data();
        return static_cast<la_ssize_t>(block.size());
      } catch (...) {
        self.error = std::current_exception();
        return ARCHIVE_FATAL;
      }
    }
    /// Whether a byte other than 0 follows the first `consumed` ones.
    bool has_more(std::int64_t consumed) {
      std::string_view rest = file.block();
      const std::int64_t begin = consumed - (delivered - static_cast<std::int64_t>(rest.size()));
      rest.remove_prefix(static_cast<std::size_t>(std::clamp<std::int64_t>(begin, 0, std::ssize(rest))));
      while (!rest.empty() && is_zero(rest)) rest = file.read();
      return !rest.empty();
    }
    InputFile file;
    std::int64_t delivered = 0;  // bytes
    std::exception_ptr error;
  };

  /// Whether a byte other than 0 follows the first `consumed` ones of a file.
  static bool has_more(const std::string& path, std::int64_t consumed) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path_of(path), ignored)) return false;  // a pipe can't be read again
    std::ifstream file(path_of(path), std::ios::binary);
    file.seekg(consumed);
    std::string block(buffer_bytes, '\0');
    do file.read(block.data(), static_cast<std::streamsize>(block.size()));
    while (file && is_zero(block));
    return !is_zero(std::string_view(block).substr(0, static_cast<std::size_t>(file.gcount())));
  }

  static bool is_zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

  /// The bytes of the file that libarchive has used, of which a compressed archive may leave some: gzip's and bzip2's
  /// filters take what isn't compressed for the end.
  std::int64_t consumed() const { return archive_filter_bytes(archive_.get(), -1); }

  struct Free {
    void operator()(archive* pointer) const { archive_read_free(pointer); }
  };

  void rethrow() const {
    if (input_ != nullptr && input_->error != nullptr) std::rethrow_exception(input_->error);
  }

  static std::string text(const char* bytes, const char* utf8) {
    return bytes != nullptr ? bytes : utf8 != nullptr ? utf8 : "";
  }

  std::string path_;
  std::unique_ptr<Input> input_;  // outlives archive_
  std::unique_ptr<archive, Free> archive_;
  archive_entry* entry_ = nullptr;
  bool is_open_ = false;
  bool has_more_ = false;  // whether something follows the archive that can't be read
};

/// Reads the members to which links point. This reads the tar file a second time, and again from its beginning for a
/// member that comes before the last one: links in the order of their targets cost one pass.
class TarLinks {
 public:
  TarLinks(std::string path, const std::atomic<bool>& stopping) : path_(std::move(path)), stopping_(stopping) {}

  /// Reads at most `limit` bytes of the member of that name, following further links. Returns "", or the reason if that
  /// fails.
  std::string read(std::string name, std::size_t limit, std::vector<std::uint8_t>& out) {
    if (path_ == "-") return "is a link to '" + name + "', which can't be followed in standard input";
    constexpr int most_links = 16;
    for (int i = 0; i < most_links; ++i) {
      if (!find(name)) return "is a link to '" + name + "', which isn't in the tar file";
      const std::optional<std::string> next = archive_->link();
      if (!next) {
        if (!archive_->is_file()) return "is a link to '" + name + "', wanted a file";
        return archive_->read(limit, out) ? "" : "the tar file is damaged at '" + name + "': " + archive_->reason();
      }
      name = *next;
    }
    return "is a chain of more than " + std::to_string(most_links) + " links, wanted a file";
  }

 private:
  bool find(const std::string& name) {
    const bool is_new = !archive_;
    if (is_new) archive_.emplace(path_, stopping_);
    for (int pass = is_new ? 1 : 0; pass < 2; ++pass) {
      while (archive_->next() == TarArchive::Next::member) {
        if (TarArchive::normal(archive_->name()) == name) return true;
      }
      archive_.emplace(path_, stopping_);
    }
    return false;
  }

  std::string path_;
  const std::atomic<bool>& stopping_;
  std::optional<TarArchive> archive_;
};

}  // namespace programs

#endif  // BEIT_HAS_LIBARCHIVE
