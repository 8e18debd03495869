// A file mapped into memory for reading: the one place where POSIX and Win32 mappings differ.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <beit/core/cold.hpp>
#include <beit/core/regular_file.hpp>
#include <beit/core/version.hpp>

#if defined(_WIN32)
struct _SECURITY_ATTRIBUTES;  // in the global namespace, where the Windows headers define it
#endif

namespace beit::inline BEIT_ABI {

#if defined(_WIN32)
namespace detail {
using WindowsSize = std::conditional_t<sizeof(void*) == 8, unsigned long long, unsigned long>;  // SIZE_T

// Declared here rather than through <windows.h>, whose macros (min, max, ...) would leak into the user's program.
// The types are those of the Windows headers, so that both declarations may meet.
extern "C" {
__declspec(dllimport) void* __stdcall CreateFileW(const wchar_t*, unsigned long, unsigned long, ::_SECURITY_ATTRIBUTES*,
                                                  unsigned long, unsigned long, void*);
__declspec(dllimport) void* __stdcall CreateFileMappingW(void*, ::_SECURITY_ATTRIBUTES*, unsigned long, unsigned long,
                                                         unsigned long, const wchar_t*);
__declspec(dllimport) void* __stdcall MapViewOfFile(void*, unsigned long, unsigned long, unsigned long, WindowsSize);
__declspec(dllimport) int __stdcall UnmapViewOfFile(const void*);
__declspec(dllimport) int __stdcall CloseHandle(void*);
__declspec(dllimport) unsigned long __stdcall GetLastError();
}
}  // namespace detail
#endif

/// The bytes of a regular file, read-only. Moving the object keeps their address.
///
/// Nobody may shorten the file while it is mapped, and its disk must be able to read it: the system ends the process
/// (SIGBUS) when it reads bytes that are missing or can't be read. RegularFile reads with errors instead.
class MappedFile {
 public:
  /// Throws FileError when there is nothing, or no regular file, or it can't be read; `wanted` says in these messages
  /// what should be there: "an image file".
  explicit MappedFile(const std::filesystem::path& path, std::string_view wanted = "a file") { open(path, wanted); }
  /// Takes over the mapping; `other` is left empty.
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  /// Takes over the mapping; what was mapped here is unmapped.
  MappedFile& operator=(MappedFile other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_ == nullptr) return;
#if defined(_WIN32)
    detail::UnmapViewOfFile(data_);
#else
    ::munmap(data_, size_);
#endif
  }

  /// All bytes of the file; empty for an empty file.
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

  /// Tells the system that these bytes aren't needed again soon: the pages that lie wholly within them leave this
  /// process's resident memory, and are read from the file again if needed. Does nothing on Windows.
  void release([[maybe_unused]] std::size_t offset, [[maybe_unused]] std::size_t size) const {
#if !defined(_WIN32)
    if (offset >= size_) return;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    size = size < size_ - offset ? size : size_ - offset;
    const std::size_t begin = (offset + page - 1) / page * page;
    // The last page counts as whole, though the file fills only part of it.
    const std::size_t end = offset + size == size_ ? size_ : (offset + size) / page * page;
    // Only advice: nothing is lost when the system declines it.
    if (begin < end) ::madvise(static_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
#endif
  }

 private:
#if defined(_WIN32)
  BEIT_COLD void open(const std::filesystem::path& path, std::string_view wanted) {
    detail::require_regular_file(path, wanted);
    const auto last_error = [] {
      return std::error_code(static_cast<int>(detail::GetLastError()), std::system_category());
    };
    constexpr unsigned long generic_read = 0x80000000UL, share_read = 1, open_existing = 3, attribute_normal = 0x80;
    constexpr unsigned long page_readonly = 2, map_read = 4;
    void* const file =
        detail::CreateFileW(path.c_str(), generic_read, share_read, nullptr, open_existing, attribute_normal, nullptr);
    if (file == reinterpret_cast<void*>(static_cast<std::intptr_t>(-1)))
      detail::fail_file(path, "opened", last_error());
    std::error_code code;
    const std::uintmax_t size = std::filesystem::file_size(path, code);
    if (!code && size > 0) {
      // The view keeps the mapping alive, and the mapping the file, once their handles are closed.
      void* const mapping = detail::CreateFileMappingW(file, nullptr, page_readonly, 0, 0, nullptr);
      if (mapping != nullptr) data_ = detail::MapViewOfFile(mapping, map_read, 0, 0, 0);
      if (data_ == nullptr) code = last_error();
      if (mapping != nullptr) detail::CloseHandle(mapping);
      size_ = static_cast<std::size_t>(size);
    }
    detail::CloseHandle(file);
    if (code) detail::fail_file(path, "read", code);
  }
#else
  BEIT_COLD void open(const std::filesystem::path& path, std::string_view wanted) {
    const RegularFile file(path, wanted);  // The mapping outlives its descriptor.
    if (file.size() == 0) return;          // An empty mapping isn't allowed.
    // Not MAP_SHARED, which file systems in user space that cache nothing (FUSE's direct_io) refuse.
    void* const data = ::mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
    if (data == MAP_FAILED) detail::fail_file(path, "read", {errno, std::generic_category()});
    data_ = data;
    size_ = file.size();
  }
#endif

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace beit::inline BEIT_ABI
