// Reads a PNG's chunks, and refuses those that Pillow refuses.
//
// Source: the PNG specification, section 11, and Pillow's src/PIL/PngImagePlugin.py.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A PNG's chunks, as far as they decide pixels.
struct PngChunks {
  std::uint32_t width = 0, height = 0;  ///< In pixels.
  std::uint8_t depth = 0;               ///< Bits per sample.
  std::uint8_t colour = 0;              ///< 0: grey, 2: RGB, 3: palette, 4: grey and alpha, 6: RGB and alpha.
  bool interlaced = false;
  Bytes palette;            ///< (colours, 3)
  std::vector<Bytes> data;  ///< The pieces of the compressed pixels; the last may be cut off.

  /// One chunk that may hold the orientation.
  struct Note {
    std::string_view type;
    Bytes content;
  };
  std::vector<Note> notes;

  std::size_t channels() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
  std::size_t pixel_bits() const { return channels() * depth; }
};

/// Continues a CRC-32 checksum, which begins with 0.
inline std::uint32_t crc32(std::uint32_t crc, Bytes bytes) {
  static constexpr std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      made[i] = i;
      for (int bit = 0; bit < 8; ++bit) made[i] = made[i] >> 1 ^ ((made[i] & 1) != 0 ? 0xedb88320u : 0u);
    }
    return made;
  }();
  crc = ~crc;
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
  return ~crc;
}

/// Walks through the chunks of a PNG.
class PngWalk {
 public:
  explicit PngWalk(const ImageFile& file) : file_(file) {}

  /// Reads all chunks. Throws ImageError for damage that Pillow notices: before the pixels every chunk must be whole,
  /// with its checksum; behind them the file may end or turn to junk, and checksums don't matter.
  BEIT_COLD PngChunks read() {
    while (next(true) && type_ != "IDAT") {
      if (type_ == "IEND") break;
      require_content();
      file_.require(at_ + 8 + length_, 4, "chunk's checksum");
      if (crc32(0, file_.bytes.subspan(at_ + 4, 4 + length_)) != big32(file_.bytes, at_ + 8 + length_)) {
        file_.fail(concat({"damaged PNG: the checksum of the chunk ", type_, " at ", at_, " is wrong"}));
      }
      read_chunk();
      skip();
    }
    if (found_.depth == 0) file_.fail("damaged PNG: found no header (IHDR)");
    while (type_ == "IDAT") {
      const std::size_t left = file_.bytes.size() - (at_ + 8);
      if (left == 0) require_content();  // whether or not the pixels before it are enough
      found_.data.push_back(file_.bytes.subspan(at_ + 8, std::min(length_, left)));
      skip();
      if (!next(false)) return found_;
    }
    if (found_.data.empty()) file_.fail("damaged PNG: found no pixels (IDAT)");
    const bool is_animated = frames_ > (is_frame_ ? 1 : 0);
    while (type_ != "IEND" && !(type_ == "fcTL" && is_animated)) {  // the end, or the next frame
      require_content();
      read_chunk();
      skip();
      if (!next(false)) break;
    }
    return found_;
  }

 private:
  /// Reads the next chunk's type and length. If there is none, returns false, or throws if it is required.
  bool next(bool is_required) {
    const Bytes bytes = file_.bytes;
    const bool is_there = at_ <= bytes.size() && bytes.size() - at_ >= 8;
    if (!is_there && is_required) file_.require(at_, 8, "next chunk");
    if (!is_there) return false;
    length_ = big32(bytes, at_);
    type_ = {reinterpret_cast<const char*>(bytes.data()) + at_ + 4, 4};
    const bool is_type = std::all_of(type_.begin(), type_.end(), [](char c) {
      return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '_';
    });
    if (!is_type && is_required) file_.fail(concat({"damaged PNG: found no chunk at ", at_}));
    return is_type;
  }

  // A length beyond the file's end, too, must not overflow 32 bits.
  void skip() { at_ += 12 + std::min(length_, file_.bytes.size()); }
  void require_content() const { file_.require(at_ + 8, length_, "chunk"); }
  [[noreturn]] void fail_in_chunk(const char* reason) const {
    file_.fail(concat({"damaged PNG: the chunk ", type_, " at ", at_, " ", reason}));
  }

  void read_chunk() {
    struct Kind {
      std::string_view type;
      std::size_t least;  // bytes
    };
    constexpr std::array kinds{Kind{"IHDR", 13}, Kind{"gAMA", 4}, Kind{"cHRM", 32}, Kind{"sRGB", 1},
                               Kind{"pHYs", 9},  Kind{"acTL", 8}, Kind{"fcTL", 26}, Kind{"fdAT", 4}};
    const Bytes content = file_.bytes.subspan(at_ + 8, length_);
    for (const Kind& kind : kinds) {
      if (type_ == kind.type && length_ < kind.least) fail_in_chunk("is too short");
    }
    if (type_ == "IHDR" && found_.data.empty()) read_header(content);
    if (type_ == "PLTE" && found_.data.empty() && found_.colour == 3) {
      found_.palette = content.first(length_ / 3 * 3);
      if (length_ / 3 > 256) fail_in_chunk("has more than 256 colours");
    }
    if (type_ == "acTL") frames_ += big32(content, 0);
    if (type_ == "fcTL" && found_.data.empty()) {
      const auto has = [&](std::size_t at, std::uint32_t number) { return big32(content, at) == number; };
      const bool is_whole = has(4, found_.width) && has(8, found_.height) && has(12, 0) && has(16, 0);
      if (!has(0, 0) || !is_whole) fail_in_chunk("isn't of a first frame as large as the image");
      is_frame_ = true;
    }
    if (type_ == "fcTL") has_frame_ = true;
    if (type_ == "fdAT" && !has_frame_) fail_in_chunk("belongs to no frame");
    const std::size_t transparent_bytes = found_.colour == 0 ? 2 : found_.colour == 2 ? 6 : 0;
    if (type_ == "tRNS" && length_ < transparent_bytes) fail_in_chunk("is too short");
    if (type_ == "iCCP" || type_ == "zTXt") {
      const std::size_t name = static_cast<std::size_t>(std::find(content.begin(), content.end(), 0) - content.begin());
      const bool has_method = name + 1 < length_;
      if (has_method ? content[name + 1] != 0 : type_ == "iCCP") fail_in_chunk("is compressed by an unknown method");
    }
    for (const std::string_view type : {"eXIf", "tEXt", "zTXt", "iTXt"}) {
      if (type_ == type) found_.notes.push_back({type_, content});
    }
  }

  void read_header(Bytes header) {
    found_.width = big32(header, 0);
    found_.height = big32(header, 4);
    if (std::max(found_.width, found_.height) > 0x7fffffff) {
      file_.fail(concat({"damaged PNG: found ", found_.height, " x ", found_.width, " pixels"}));
    }
    found_.depth = header[8];
    found_.colour = header[9];
    found_.interlaced = header[12] != 0;
    const bool is_grey = found_.colour == 0, has_palette = found_.colour == 3;
    const bool is_colour = found_.colour == 2 || found_.colour == 4 || found_.colour == 6;
    const std::uint8_t depth = found_.depth;
    const bool is_small = depth == 1 || depth == 2 || depth == 4;
    if (!(depth == 8    ? is_grey || has_palette || is_colour
          : depth == 16 ? is_grey || is_colour
                        : is_small && (is_grey || has_palette))) {
      file_.fail(concat({"damaged PNG: found ", int{depth}, " bits per sample for colour type ", int{found_.colour},
                         ", which don't go together"}));
    }
    if (header[11] != 0) file_.fail(concat({"damaged PNG: found filter method ", int{header[11]}, ", wanted 0"}));
  }

  const ImageFile& file_;
  PngChunks found_;
  std::size_t at_ = 8;  // where the chunk begins
  std::size_t length_ = 0;
  std::string_view type_;
  std::uint64_t frames_ = 0;  // of an animation
  bool has_frame_ = false;
  bool is_frame_ = false;  // whether the pixels are the animation's first frame
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
