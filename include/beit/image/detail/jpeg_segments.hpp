// Checks a JPEG's segments where stb_image doesn't, and reads the facts that it doesn't report.
#pragma once

#include <cstddef>
#include <cstdint>

#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/image_file.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The tables that a JPEG has defined so far. stb_image 2.27 uses undefined tables, and writes past its own arrays for
/// a table that is too long.
class JpegTables {
 public:
  /// DHT: notes the Huffman tables. Throws ImageError for a table with more codes than stb_image can hold.
  void define_huffman(const ImageFile& file, Bytes payload) {
    for (std::size_t at = 0; at < payload.size();) {
      std::size_t codes = 0;
      if (payload.size() - at < 17) file.fail("damaged JPEG: a Huffman table ends early");
      for (std::size_t length = 1; length <= 16; ++length) codes += payload[at + length];
      if (codes > 255) {
        file.fail(concat({"damaged JPEG: found a Huffman table of ", codes, " codes, wanted at most 255"}));
      }
      if (payload.size() - at - 17 < codes) file.fail("damaged JPEG: a Huffman table ends early");
      huffman_[payload[at] >> 4 & 1] |= 1u << (payload[at] & 15);
      at += 17 + codes;
    }
  }

  /// DQT: notes the quantisation tables.
  void define_quantisation(Bytes payload) {
    for (std::size_t at = 0; at < payload.size(); at += std::size_t{payload[at] >> 4 != 0 ? 129u : 65u}) {
      quantisation_ |= 1u << (payload[at] & 15);
    }
  }

  /// SOF: notes which quantisation tables the components need.
  void begin_frame(std::uint8_t marker, Bytes payload) {
    progressive_ = marker == 0xc2;
    for (std::size_t at = 8; at < payload.size(); at += 3) quantisation_wanted_ |= 1u << (payload[at] & 15);
  }

  /// SOS: throws ImageError if the scan needs a table that is neither defined nor in the standard.
  void begin_scan(const ImageFile& file, Bytes payload) {
    const std::size_t components = payload.empty() ? 0 : payload[0];
    if (payload.size() != 4 + 2 * components) file.fail("damaged JPEG: a scan's header has the wrong length");
    const bool begins_at_dc = payload[1 + 2 * components] == 0;
    const bool refines = payload[3 + 2 * components] >> 4 != 0;
    for (std::size_t i = 0; i < components; ++i) {
      const std::uint8_t tables = payload[2 + 2 * i];
      const bool needs_dc = !progressive_ || (begins_at_dc && !refines);
      const bool needs_ac = !progressive_ || !begins_at_dc;
      if ((needs_dc && (huffman_[0] >> (tables >> 4) & 1) == 0) ||
          (needs_ac && (huffman_[1] >> (tables & 15) & 1) == 0)) {
        const bool has_standard = !progressive_ && (tables >> 4) < 2 && (tables & 15) < 2;
        if (!has_standard) file.fail("damaged JPEG: found no Huffman table for one of its components");
        wants_standard_ = true;
      }
    }
    if ((quantisation_wanted_ & ~quantisation_) != 0) {
      file.fail("damaged JPEG: found no quantisation table for one of its components");
    }
  }

  /// Whether a scan needs Huffman tables that the file leaves to the standard, as frames of motion JPEG do.
  bool wants_standard() const { return wants_standard_; }

 private:
  std::uint32_t huffman_[2] = {0, 0};  // DC, AC: one bit per table
  std::uint32_t quantisation_ = 0;
  std::uint32_t quantisation_wanted_ = 0;
  bool progressive_ = false;
  bool wants_standard_ = false;
};

/// Facts about a JPEG that stb_image doesn't report.
struct JpegSegments {
  int orientation = 1;  ///< EXIF's, 1 to 8.
  bool wants_standard_tables = false;
};

/// Walks through all segments and checks the tables.
inline JpegSegments check_jpeg(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  JpegTables tables;
  JpegSegments found;
  bool found_exif = false;
  for (std::size_t at = 0; at + 1 < bytes.size();) {
    if (bytes[at] != 0xff || bytes[at + 1] == 0xff) {  // data, or a fill byte
      ++at;
      continue;
    }
    const std::uint8_t marker = bytes[at + 1];
    at += 2;
    const bool stands_alone = marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);  // escape, TEM, RST, SOI
    if (stands_alone) continue;
    if (marker == 0xd9) break;  // end of image
    file.require(at, 2, "next segment");
    const std::size_t length = big16(bytes, at);
    if (length < 2) file.fail(concat({"damaged JPEG: found a segment of ", length, " bytes"}));
    file.require(at, length, "next segment");  // stb_image would continue with zeros
    const Bytes payload = bytes.subspan(at + 2, length - 2);
    const bool is_frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame && marker > 0xc2) {
      file.fail(concat({"found a lossless, hierarchical or arithmetic-coded JPEG (frame type ", marker - 0xc0,
                        "), wanted a baseline or progressive one"}));
    }
    if (is_frame) tables.begin_frame(marker, payload);
    if (marker == 0xc4) tables.define_huffman(file, payload);
    if (marker == 0xdb) tables.define_quantisation(payload);
    if (marker == 0xda) tables.begin_scan(file, payload);
    if (marker == 0xe1 && !found_exif && starts_with(payload, exif_magic)) {
      found_exif = true;
      found.orientation = exif_orientation(payload);
    }
    at += length;
  }
  found.wants_standard_tables = tables.wants_standard();
  return found;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
