// The definitions of decode.hpp.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/formats.hpp>
#include <beit/image/formats_impl.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

BEIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options,
                               const std::string& name) {
  const detail::ImageFile file{bytes, name};
  constexpr std::size_t most_bytes = std::numeric_limits<int>::max() / 2;  // stb_image counts in ints
  if (bytes.empty()) file.fail("found an empty file, wanted an image");
  if (bytes.size() > most_bytes) {
    file.fail(detail::concat({"found ", bytes.size(), " bytes, wanted at most ", most_bytes}));
  }
  const detail::ImageFormat& format = detail::format_of(bytes);
  if (format.decode == nullptr) {
    file.fail(detail::concat({"found a file in the format ", format.name, ", which this build can't read without ",
                              format.library, "; wanted ", image_formats()}));
  }
  detail::Decoded decoded = format.decode(file, options);
  return detail::turn_upright(std::move(decoded.image), options.apply_exif_orientation ? decoded.orientation : 1);
}

BEIT_INLINE Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string name = detail::path_text(path);
  const auto fail = [&name](const char* what, const std::string& reason = {}) {
    throw FileError(detail::concat({name, ": ", what, reason}));
  };
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) fail("found nothing there, wanted an image file");
  if (error) fail("can't be opened: ", error.message());
  if (std::filesystem::is_directory(status)) fail("found a directory, wanted an image file");
  // Opening a named pipe would wait for a writer.
  if (!std::filesystem::is_regular_file(status)) fail("is not a regular file, wanted an image file");
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("can't be opened: ", std::generic_category().message(errno));
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) fail("can't be read: ", error.message());
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (stream.gcount() != static_cast<std::streamsize>(bytes.size())) {
    throw FileError(detail::concat({name, ": found ", stream.gcount(), " bytes, wanted ", bytes.size()}));
  }
  return decode_image(std::span<const std::uint8_t>(bytes), options, name);
}

}  // namespace beit::inline BEIT_ABI
