// A file that appears under its name only when it is complete.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <share.h>
#include <sys/stat.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

/// Whether a file has reached the disk when AtomicFile::close() returns. Without it, a finished file survives the end
/// of its process, but not a power failure.
enum class Sync { no, yes };

/// Writes to a temporary file in the same folder (PATH.tmp-PROCESS-N) and renames it to PATH in close(), replacing a
/// file of that name. Without close(), or when anything fails, the temporary file is removed and PATH stays as it was.
/// A symbolic link is followed: the file that it names is replaced. Only one thread at a time may use it.
class AtomicFile {
 public:
  /// Throws FileError when the folder is missing or not writable, or when `path` exists and isn't a regular file.
  explicit AtomicFile(std::filesystem::path path) : path_(std::move(path)), target_(path_) {
    namespace fs = std::filesystem;
    std::error_code code;
    const fs::file_status status = fs::status(path_, code);
    if (fs::is_directory(status)) throw FileError(text() + ": is a directory, wanted a file to write");
    if (fs::exists(status)) {
      // Never replace a device such as /dev/null.
      if (!fs::is_regular_file(status)) throw FileError(text() + ": is not a regular file");
      if (fs::is_symlink(fs::symlink_status(path_, code))) target_ = fs::canonical(path_);
    }
    int error = EEXIST;
    for (int n = 0; error == EEXIST && n < 1000; ++n) {
      temporary_ = target_;
      temporary_ += ".tmp-" + std::to_string(process_id()) + "-" + std::to_string(n);
      errno = 0;
      stream_ = open_new(temporary_);
      error = stream_ == nullptr ? errno : 0;
    }
    if (stream_ == nullptr) throw FileError(detail::concat({text(), ": can't create: ", reason(error)}));
  }
  /// Takes over the file; `other` is left without one.
  AtomicFile(AtomicFile&& other) noexcept
      : path_(std::move(other.path_)),
        target_(std::move(other.target_)),
        temporary_(std::exchange(other.temporary_, {})),
        stream_(std::exchange(other.stream_, nullptr)) {}
  /// Takes over the file; what was written here is given up.
  AtomicFile& operator=(AtomicFile other) noexcept {
    std::swap(path_, other.path_);
    std::swap(target_, other.target_);
    std::swap(temporary_, other.temporary_);
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~AtomicFile() { discard(); }

  /// Appends bytes. Throws FileError with the system's reason, for example when the disk is full; the file is then
  /// given up.
  void write(const void* data, std::size_t size) {
    require_open();
    if (size > 0 && std::fwrite(data, 1, size, stream_) != size) give_up(errno);
  }
  /// Appends text.
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Moves to the beginning of the file, where the next write goes. Throws FileError as write() does.
  void seek_begin() {
    require_open();
    if (std::fseek(stream_, 0, SEEK_SET) != 0) give_up(errno);
  }

  /// Flushes, closes and renames the file. With Sync::yes the content is on the disk before the name changes, and the
  /// name before this returns, if the file system can promise that. Throws FileError as write() does, or when renaming
  /// fails.
  void close(Sync sync = Sync::no) {
    require_open();
    if (std::fflush(stream_) != 0) give_up(errno);
    if (sync == Sync::yes && !sync_content()) give_up(errno);
    if (std::fclose(std::exchange(stream_, nullptr)) != 0) give_up(errno);
    std::error_code code;
    std::filesystem::rename(temporary_, target_, code);
    if (code) {
      discard();
      throw FileError(detail::concat({text(), ": can't rename the finished file: ", code.message()}));
    }
    temporary_.clear();
    if (sync == Sync::yes) sync_name();
  }

  /// PATH as it was given.
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::FILE* open_new(const std::filesystem::path& path) {
#if defined(_WIN32)
    // The mode "wbx" would not do: Windows' older C library ignores the x.
    int file = -1;
    constexpr int flags = _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT;
    const int error = ::_wsopen_s(&file, path.c_str(), flags, _SH_DENYNO, _S_IREAD | _S_IWRITE);
    if (error == 0) return ::_fdopen(file, "wb");
    errno = error;
    return nullptr;
#else
    return std::fopen(path.c_str(), "wbx");
#endif
  }

  bool sync_content() {
#if defined(_WIN32)
    return ::_commit(::_fileno(stream_)) == 0;
#elif defined(__APPLE__)
    // Its fsync leaves the bytes in the disk's own cache; file systems that can't empty that refuse F_FULLFSYNC.
    return ::fcntl(::fileno(stream_), F_FULLFSYNC) == 0 || ::fsync(::fileno(stream_)) == 0;
#else
    return ::fsync(::fileno(stream_)) == 0;
#endif
  }

  /// Syncs the folder, which holds the name. Windows can't sync folders.
  void sync_name() const {
#if !defined(_WIN32)
    const std::filesystem::path parent = target_.parent_path();
    const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_CLOEXEC);
    // A folder that is writable but not readable can't be opened; EINVAL means that the file system can't sync folders.
    if (folder < 0) return;
    const int error = ::fsync(folder) == 0 ? 0 : errno;
    ::close(folder);
    if (error != 0 && error != EINVAL) {
      throw FileError(detail::concat({text(), ": can't sync its folder: ", reason(error)}));
    }
#endif
  }

  static int process_id() {
#if defined(_WIN32)
    return ::_getpid();
#else
    return ::getpid();
#endif
  }

  static std::string reason(int code) { return std::generic_category().message(code); }
  std::string text() const { return detail::path_text(path_); }

  void require_open() const {
    if (stream_ == nullptr) throw FileError(text() + ": already closed or discarded");
  }

  [[noreturn]] void give_up(int code) {
    discard();
    throw FileError(detail::concat({text(), ": can't write: ", reason(code)}));
  }

  void discard() {
    if (stream_ != nullptr) std::fclose(std::exchange(stream_, nullptr));
    if (temporary_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
    temporary_.clear();
  }

  std::filesystem::path path_;       // as given, for messages
  std::filesystem::path target_;     // with symbolic links resolved
  std::filesystem::path temporary_;  // empty once it is renamed or removed
  std::FILE* stream_ = nullptr;
};

/// The PATH that an AtomicFile's temporary file, as a killed process leaves it behind, was to become; empty for any
/// other file name.
[[nodiscard]] inline std::filesystem::path target_of_temporary(const std::filesystem::path& path) {
  constexpr std::string_view mark = ".tmp-";
  const std::string extension = detail::path_text(path.extension());
  const std::size_t dash = extension.rfind('-');
  const auto is_number = [](std::string_view digits) {
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!extension.starts_with(mark) || dash < mark.size()) return {};
  if (!is_number(extension.substr(mark.size(), dash - mark.size())) || !is_number(extension.substr(dash + 1)))
    return {};
  return std::filesystem::path(path).replace_extension();
}

}  // namespace beit::inline BEIT_ABI
