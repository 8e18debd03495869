// Reads JPEG by libjpeg-turbo with the library's default settings, as Pillow does: with the same library, the pixels
// are the same.
//
// Source: Pillow's src/libImaging/JpegDecode.c and src/PIL/JpegImagePlugin.py.
#pragma once

#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>

#if BEIT_USE_LIBJPEG_TURBO

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs it
#include <string>
#include <utility>
#include <vector>

#include <jpeglib.h>

#include <beit/core/index.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/jpeg_markers.hpp>
#include <beit/image/image.hpp>

#if !defined(LIBJPEG_TURBO_VERSION)
#error "BEIT_USE_LIBJPEG_TURBO: found the jpeglib.h of another library, wanted libjpeg-turbo's"
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

/// A JPEG file, whose header the constructor reads and whose pixels read_pixels reads.
///
/// Like in Pillow, damage isn't an error if the decoder can go on, but an early end is. The library reports errors by
/// longjmp, so the functions that call it hold nothing that must be destroyed.
class JpegTurbo {
 public:
  /// Throws ImageError unless the file is a JPEG of 1, 3 or 4 channels that can be decoded.
  JpegTurbo(const ImageFile& file, bool allow_truncated) : file_(file), allow_truncated_(allow_truncated) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = &leave;
    errors_.emit_message = [](j_common_ptr, int) {};  // warnings
    info_.client_data = this;
    if (!read_header()) fail();
    // Reads the orientation now, because the end of decoding frees the markers.
    Bytes exif, xmp;
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const Bytes payload(marker->data, marker->data_length);
      if (exif.empty() && starts_with(payload, exif_magic)) exif = payload;
      if (starts_with(payload, xmp_magic)) xmp = payload;
    }
    orientation_ = orientation_of(exif, xmp);
    const int channels = info_.num_components;
    if (channels != 1 && channels != 3 && channels != 4) {
      file_.fail(concat({"found a JPEG of ", channels, " channels, wanted 1, 3 or 4"}));
    }
  }
  JpegTurbo(const JpegTurbo&) = delete;
  JpegTurbo& operator=(const JpegTurbo&) = delete;

  Size size() const { return {static_cast<Index>(info_.image_height), static_cast<Index>(info_.image_width)}; }

  /// EXIF's or XMP's orientation, 1 to 8; 1 (upright) if there is no valid one.
  int orientation() const { return orientation_; }

  /// Decodes the pixels; call it once. Throws ImageError for a file that ends early or is too badly damaged.
  void read_pixels(std::uint8_t* out) {  // (height, width, 3)
    std::vector<std::uint8_t> cmyk(info_.num_components == 4 ? static_cast<std::size_t>(size().width) * 4 : 0);
    if (!read_rows(out, cmyk.data())) fail();
  }

 private:
  struct Decompressor : jpeg_decompress_struct {
    Decompressor() : jpeg_decompress_struct{} {}
    ~Decompressor() { jpeg_destroy_decompress(this); }
  };

  static void leave(j_common_ptr info) {
    JpegTurbo& self = *static_cast<JpegTurbo*>(info->client_data);
    info->err->format_message(info, self.message_);
    std::longjmp(self.escape_, 1);
  }

  static boolean past_end(j_decompress_ptr info) {
    JpegTurbo& self = *static_cast<JpegTurbo*>(info->client_data);
    if (self.allow_truncated_ && !self.ended_) {  // once, as Pillow does
      self.ended_ = true;
      info->src->next_input_byte = end_of_image.data();
      info->src->bytes_in_buffer = end_of_image.size();
      return TRUE;
    }
    self.past_end_ = true;
    std::longjmp(self.escape_, 1);
  }

  static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if (static_cast<unsigned long>(count) > info->src->bytes_in_buffer) {
      past_end(info);
      return;  // continues with the end of image put there
    }
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
  }

  bool read_header() {
    if (setjmp(escape_) != 0) return false;
    jpeg_create_decompress(&info_);
    source_.next_input_byte = file_.bytes.data();
    source_.bytes_in_buffer = file_.bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = &past_end;
    source_.skip_input_data = &skip;
    source_.resync_to_restart = &jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    info_.src = &source_;
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool read_rows(std::uint8_t* out, std::uint8_t* cmyk) {
    // A file may end once all rows have been read.
    if (setjmp(escape_) != 0) {
      return past_end_ && info_.output_height > 0 && info_.output_scanline == info_.output_height;
    }
    info_.out_color_space = cmyk != nullptr ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* to = out + static_cast<std::size_t>(info_.output_scanline) * info_.output_width * 3;
      std::uint8_t* row = cmyk != nullptr ? cmyk : to;
      jpeg_read_scanlines(&info_, &row, 1);
      if (cmyk != nullptr) cmyk_to_rgb(cmyk, info_.output_width, to);
    }
    jpeg_finish_decompress(&info_);  // reads on to the end of the image
    return true;
  }

  /// Converts Adobe's CMYK, which is stored inverted, as Pillow's convert("RGB") does.
  static void cmyk_to_rgb(const std::uint8_t* cmyk,  // (width, 4)
                          std::size_t width,
                          std::uint8_t* rgb) {  // (width, 3)
    for (std::size_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
      const int key = cmyk[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - cmyk[c]) * key + 128;
        rgb[c] = static_cast<std::uint8_t>(key - (((product >> 8) + product) >> 8));
      }
    }
  }

  [[noreturn]] void fail() const {
    if (past_end_) fail_as_truncated(file_);
    file_.fail(concat({"damaged or unknown JPEG (", message_, ")"}));
  }

  ImageFile file_;
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  Decompressor info_;  // points to errors_ and source_
  std::jmp_buf escape_;
  char message_[JMSG_LENGTH_MAX] = "";
  int orientation_ = 1;
  bool past_end_ = false;
  bool allow_truncated_;
  bool ended_ = false;  // an end of image has been put in place of missing data
};

inline Decoded decode_jpeg_by_turbo(const ImageFile& file, const DecodeOptions& options) {
  JpegTurbo jpeg(file, options.allow_truncated);
  const Size size = jpeg.size();
  check_size(file, size.height, size.width, options.max_pixels);
  Image image(size.height, size.width);
  jpeg.read_pixels(image.data());
  return {std::move(image), jpeg.orientation()};
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_USE_LIBJPEG_TURBO
