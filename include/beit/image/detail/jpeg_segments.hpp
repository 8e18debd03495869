// Checks a JPEG's segments where stb_image doesn't, and reads the facts that it doesn't report.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/jpeg_markers.hpp>
#include <beit/image/detail/jpeg_scan.hpp>

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

  /// SOF: notes which quantisation tables the components need. Throws ImageError for samples that aren't bytes.
  void begin_frame(const ImageFile& file, std::uint8_t marker, Bytes payload) {
    if (!payload.empty() && payload[0] != 8) {
      file.fail(concat({"found a JPEG of ", int{payload[0]}, " bits per sample, wanted 8"}));
    }
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

/// A segment of a JPEG, or its end.
struct JpegSegment {
  std::uint8_t marker = 0;      ///< The marker's second byte; 0xd9 for the end of the image, 0 for the file's.
  std::size_t at = 0, end = 0;  ///< Where the marker begins, and where the segment ends.
  Bytes payload;                ///< The bytes after the segment's length.
  bool after_junk = false;      ///< Bytes or markers without meaning stand before it.
};

/// Finds the next segment from `at` on. Throws ImageError for one that isn't whole.
inline JpegSegment next_jpeg_segment(const ImageFile& file, std::size_t at) {
  const Bytes bytes = file.bytes;
  JpegSegment segment;
  while (at + 1 < bytes.size()) {
    if (bytes[at] != 0xff || bytes[at + 1] == 0xff) {  // data, or a fill byte
      segment.after_junk = segment.after_junk || bytes[at] != 0xff;
      ++at;
      continue;
    }
    const std::uint8_t marker = bytes[at + 1];
    segment.at = at;
    at += 2;
    if (marker == 0xd8 || is_meaningless_marker(marker)) {
      segment.after_junk = segment.after_junk || marker != 0xd8;
      continue;
    }
    segment.marker = marker;
    segment.end = at;
    if (marker == 0xd9) return segment;
    file.require(at, 2, "next segment");
    const std::size_t length = big16(bytes, at);
    if (length < 2) file.fail(concat({"damaged JPEG: found a segment of ", length, " bytes"}));
    file.require(at, length, "next segment");  // stb_image would continue with zeros
    segment.payload = bytes.subspan(at + 2, length - 2);
    segment.end = at + length;
    return segment;
  }
  segment.at = segment.end = bytes.size();
  return segment;
}

/// Facts about a JPEG that stb_image doesn't report, or goes wrong on.
struct JpegSegments {
  int orientation = 1;  ///< EXIF's or XMP's, 1 to 8.
  bool wants_standard_tables = false;
  bool sequential = false;     ///< Neither progressive nor without a frame.
  std::size_t interval = 0;    ///< The units of a scan between two restart markers; 0 if there are none.
  bool restarts_fit = true;    ///< The restart markers of a scan with all components are those that it wants.
  bool wants_adobe = false;    ///< Four components without Adobe's segment, which stb_image takes for YCbCr.
  bool has_junk = false;       ///< Something without meaning stands between the segments before the first scan.
  std::vector<Bytes> headers;  ///< The segments before the first scan, with their markers.
  std::size_t first_scan = 0;  ///< Where the first scan's marker stands.
  std::size_t pixels_end = 0;  ///< Where the pixels end, if something other than the end of the image follows; else 0.
};

/// Whether the bytes begin like Adobe's segment, which says how colours are stored.
inline bool is_adobe(std::uint8_t marker, Bytes payload) { return marker == 0xee && starts_with(payload, "Adobe"); }

/// Walks through all segments and checks the tables.
inline JpegSegments check_jpeg(const ImageFile& file) {
  const Bytes bytes = file.bytes;
  JpegTables tables;
  JpegScan scan;
  JpegSegments found;
  Bytes exif, xmp;
  bool found_adobe = false;
  for (std::size_t at = 0;;) {
    const JpegSegment segment = next_jpeg_segment(file, at);
    const std::uint8_t marker = segment.marker;
    const Bytes payload = segment.payload;
    at = segment.end;
    if (marker == 0 || marker == 0xd9) break;
    const bool is_frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame && marker > 0xc2) {
      file.fail(concat({"found a lossless, hierarchical or arithmetic-coded JPEG (frame type ", marker - 0xc0,
                        "), wanted a baseline or progressive one"}));
    }
    if (is_frame) {
      found.sequential = marker != 0xc2;
      tables.begin_frame(file, marker, payload);
      scan.begin_frame(payload);
    }
    if (marker == 0xc4) {
      tables.define_huffman(file, payload);
      scan.define_huffman(payload);
    }
    if (marker == 0xdb) tables.define_quantisation(payload);
    if (marker == 0xdd) scan.set_interval(payload);
    if (is_adobe(marker, payload)) found_adobe = true;
    if (marker == 0xe1 && exif.empty() && starts_with(payload, exif_magic)) exif = payload;
    if (marker == 0xe1 && starts_with(payload, xmp_magic)) xmp = payload;
    if (found.first_scan == 0) {
      found.has_junk = found.has_junk || segment.after_junk;
      if (marker != 0xda) found.headers.push_back(bytes.subspan(segment.at, segment.end - segment.at));
    }
    if (marker != 0xda) continue;
    tables.begin_scan(file, payload);
    const bool is_first = found.first_scan == 0;
    if (is_first) found.first_scan = segment.at;
    if (is_first && found.sequential && payload[0] == scan.components()) {  // libjpeg reads nothing after it
      JpegMarker next = next_jpeg_marker(bytes, at);
      std::size_t restarts = 0;
      for (; next.code != 0 && is_meaningless_marker(next.code); next = next_jpeg_marker(bytes, next.at + 2)) {
        if (next.code < 0xd0) continue;
        found.restarts_fit = found.restarts_fit && (next.code & 7u) == restarts % 8;
        ++restarts;
      }
      found.restarts_fit = scan.interval() == 0 || (found.restarts_fit && restarts == scan.restarts(payload));
      if (next.code == 0xd9 || next.code == 0) break;
      std::vector<std::uint8_t> data;
      bool complete = false;
      const std::size_t end = scan.copy_data(bytes, at, payload, true, data, complete);
      if (!complete) continue;
      found.pixels_end = end;
      break;
    }
  }
  found.orientation = orientation_of(exif, xmp);
  found.interval = scan.interval();
  found.wants_adobe = scan.components() == 4 && !found_adobe;
  found.wants_standard_tables = tables.wants_standard();
  return found;
}

/// Returns the JPEG without what stb_image goes wrong on before the first scan or after the pixels, or nothing if there
/// is no such thing.
BEIT_COLD inline std::vector<std::uint8_t> without_obstacles(Bytes jpeg, const JpegSegments& segments) {
  std::vector<std::uint8_t> copy;
  if (!segments.has_junk && !segments.wants_adobe && segments.pixels_end == 0) return copy;
  copy = {0xff, 0xd8};
  if (segments.wants_adobe) {  // colours stored as they are, which Pillow assumes, too
    append(copy, std::array<std::uint8_t, 16>{0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0});
  }
  for (const Bytes header : segments.headers) append(copy, header);
  const std::size_t end = segments.pixels_end == 0 ? jpeg.size() : segments.pixels_end;
  append(copy, jpeg.subspan(segments.first_scan, end - segments.first_scan));
  if (segments.pixels_end != 0) append(copy, end_of_image);
  return copy;
}

/// Returns a sequential JPEG, which has passed check_jpeg, with its scans as libjpeg
/// understands them.
BEIT_COLD inline std::vector<std::uint8_t> with_whole_scans(const ImageFile& file) {
  JpegScan scan;
  std::vector<std::uint8_t> copy;
  std::size_t copied = 0;
  for (std::size_t at = 0;;) {
    const JpegSegment segment = next_jpeg_segment(file, at);
    at = segment.end;
    append(copy, file.bytes.subspan(copied, at - copied));
    copied = at;
    if (segment.marker == 0 || segment.marker == 0xd9) return copy;
    if (segment.marker == 0xc0 || segment.marker == 0xc1) scan.begin_frame(segment.payload);
    if (segment.marker == 0xc4) scan.define_huffman(segment.payload);
    if (segment.marker == 0xdd) scan.set_interval(segment.payload);
    if (segment.marker == 0xda) {
      bool complete = false;
      copied = at = scan.copy_data(file.bytes, at, segment.payload, false, copy, complete);
    }
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
