// Reads TIFF by libtiff: the library decodes samples, which become RGB as by Pillow's convert("RGB").
//
// Source: TIFF 6.0, and Pillow's src/PIL/TiffImagePlugin.py (OPEN_INFO) and src/libImaging/TiffDecode.c.
#pragma once

#include <string_view>

#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>

#if BEIT_USE_LIBTIFF
#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <tiffio.h>

#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/detail/tiff_samples.hpp>
#include <beit/image/image.hpp>
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

/// Recognises TIFF and BigTIFF in either byte order.
inline bool is_tiff(Bytes bytes) {
  using namespace std::string_view_literals;  // literals that hold a zero byte
  return has_one_of(bytes, 0, {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv});
}

#if BEIT_USE_LIBTIFF

/// One TIFF file in memory, at its first image.
class Tiff {
 public:
  /// Throws ImageError if libtiff can't open the file.
  Tiff(const ImageFile& file, std::int64_t max_pixels) : file_(file), max_pixels_(max_pixels) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                               &TIFFOpenOptionsFree);
    if (options == nullptr) throw std::bad_alloc();
    // Sets handlers for this file, because the library's own are global.
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), &on_error, this);
    TIFFOpenOptionsSetWarningHandlerExtR(
        options.get(), [](TIFF*, void*, const char*, const char*, va_list) { return 1; }, nullptr);
    constexpr std::int64_t pixel_bytes = 24, other_bytes = 1 << 26, most = std::int64_t{1} << 40;
    const tmsize_t most_bytes = std::min(max_pixels, most) * pixel_bytes + other_bytes;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), most_bytes);
    tiff_ = TIFFClientOpenExt("", "rm", this, &read, &write, &seek, &close, &size, nullptr, nullptr, options.get());
    if (tiff_ == nullptr) fail();
    message_[0] = '\0';
  }
  Tiff(const Tiff&) = delete;
  Tiff& operator=(const Tiff&) = delete;
  ~Tiff() {
    if (tiff_ != nullptr) TIFFClose(tiff_);
  }

  /// EXIF's orientation, 1 to 8, from the tag or else from XMP; 1 (upright) if there is no valid one.
  int orientation() const {
    std::uint16_t found = 1;
    std::uint32_t xmp_bytes = 0;
    const void* xmp = nullptr;
    if (TIFFGetField(tiff_, TIFFTAG_ORIENTATION, &found) == 0 &&
        TIFFGetField(tiff_, TIFFTAG_XMLPACKET, &xmp_bytes, &xmp) != 0) {
      return orientation_of({}, {static_cast<const std::uint8_t*>(xmp), xmp_bytes});
    }
    return found >= 1 && found <= 8 ? found : 1;
  }

  /// Reads the pixels as stored. Throws ImageError for damage, for kinds of samples that Pillow doesn't read either,
  /// and for an image larger than the limit.
  Image pixels() {
    const Index width = tag32(TIFFTAG_IMAGEWIDTH), height = tag32(TIFFTAG_IMAGELENGTH);
    check_size(file_, height, width, max_pixels_);
    refuse_preview(height, width);
    const std::uint32_t compression = tag(TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    separate_ = tag(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
    samples_.photometric = tag(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISWHITE);
    if (samples_.photometric != PHOTOMETRIC_PALETTE && stored_photometric() == PHOTOMETRIC_PALETTE)
      fail_without_palette();
    if (compression == COMPRESSION_OJPEG) samples_.photometric = PHOTOMETRIC_YCBCR;
    if (samples_.photometric == PHOTOMETRIC_YCBCR) {
      // Pillow doesn't look at the subsampling, whose default is by 2 and by which the library has noted wrong sizes.
      raw_ = compression == COMPRESSION_NONE && !separate_ && has_all_colours(height, width);
      if (!raw_ && (compression != COMPRESSION_JPEG || separate_)) return pixels_by_libtiff(height, width);
      if (!raw_) {
        TIFFSetField(tiff_, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        samples_.photometric = PHOTOMETRIC_RGB;
      }
    }
    samples_.bits = tag(TIFFTAG_BITSPERSAMPLE, 1);
    samples_.count = tag(TIFFTAG_SAMPLESPERPIXEL, 1);
    samples_.format = tag(TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    if (samples_.format == SAMPLEFORMAT_VOID) samples_.format = SAMPLEFORMAT_UINT;
    std::uint16_t extras = 0;
    const std::uint16_t* kinds = nullptr;
    if (TIFFGetField(tiff_, TIFFTAG_EXTRASAMPLES, &extras, &kinds) != 0 && extras > 0) {
      samples_.associated_alpha = kinds[0] == EXTRASAMPLE_ASSOCALPHA;
      // Planes of no known kind are left out.
      const bool unknown = std::all_of(kinds, kinds + extras, [](std::uint16_t kind) { return kind == 0; });
      if (separate_ && unknown && extras < samples_.count) samples_.count -= extras;
    }
    if (!samples_.are_read()) {
      file_.fail(concat({"found a TIFF of ", samples_.description(), ", which isn't supported"}));
    }
    if (samples_.photometric == PHOTOMETRIC_PALETTE) read_palette();
    if (samples_.photometric == PHOTOMETRIC_CIELAB) samples_.grid = lab_grid();
    Image image(height, width);
    TIFFIsTiled(tiff_) != 0 ? read_tiles(image) : read_strips(image);
    return image;
  }

 private:
  static int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
    Tiff& self = *static_cast<Tiff*>(user);
    std::vsnprintf(self.message_.data(), self.message_.size(), format, arguments);
    return 1;
  }
  static tmsize_t read(thandle_t user, void* out, tmsize_t wanted) {
    Tiff& self = *static_cast<Tiff*>(user);
    const std::uint64_t left = self.file_.bytes.size() - std::min<std::uint64_t>(self.at_, self.file_.bytes.size());
    const std::uint64_t count =
        std::min<std::uint64_t>(left, static_cast<std::uint64_t>(std::max<tmsize_t>(wanted, 0)));
    if (count > 0) std::copy_n(self.file_.bytes.data() + self.at_, count, static_cast<std::uint8_t*>(out));
    self.at_ += count;
    return static_cast<tmsize_t>(count);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return -1; }
  static toff_t seek(thandle_t user, toff_t offset, int whence) {
    Tiff& self = *static_cast<Tiff*>(user);
    const std::uint64_t from = whence == SEEK_CUR ? self.at_ : whence == SEEK_END ? self.file_.bytes.size() : 0;
    return self.at_ = from + offset;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t user) { return static_cast<Tiff*>(user)->file_.bytes.size(); }

  std::uint32_t tag(std::uint32_t name, std::uint32_t otherwise) const {
    std::uint16_t value = 0;
    return TIFFGetFieldDefaulted(tiff_, name, &value) != 0 ? value : otherwise;
  }
  Index tag32(std::uint32_t name) const {
    std::uint32_t value = 0;
    return TIFFGetField(tiff_, name, &value) != 0 ? value : 0;
  }

  /// Throws ImageError for a DNG, or another camera RAW, whose first image is a small preview of the photograph.
  void refuse_preview(Index height, Index width) const {
    const void* version = nullptr;
    std::uint16_t count = 0;
    const bool is_dng = TIFFGetField(tiff_, TIFFTAG_DNGVERSION, &version) != 0;
    const bool has_more = TIFFGetField(tiff_, TIFFTAG_SUBIFD, &count, &version) != 0;
    if ((tag32(TIFFTAG_SUBFILETYPE) & FILETYPE_REDUCEDIMAGE) == 0 || !(is_dng || has_more)) return;
    file_.fail(concat({"found a ", is_dng ? "DNG" : "camera's TIFF", " of which only the preview of ", height, " x ",
                       width, " pixels can be read; wanted a photograph that has been developed"}));
  }

  /// The photometric interpretation in the file's first directory, or 0. If the palette can't be read, libtiff replaces
  /// it by another, which shows indices as grey.
  std::uint64_t stored_photometric() const {
    const Bytes bytes = file_.bytes;
    const bool little = bytes[0] == 'I', large = bytes[little ? 2 : 3] == 43;  // 43: BigTIFF
    const auto number = [&](std::uint64_t at, std::size_t size) {              // 0 beyond the file's end
      std::uint64_t value = 0;
      if (at > bytes.size() || size > bytes.size() - at) return value;
      for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + (little ? size - 1 - i : i)];
      return value;
    };
    const std::size_t entry_bytes = large ? 20 : 12, value_bytes = large ? 8 : 4, count_bytes = large ? 8 : 2;
    const std::uint64_t directory = large ? number(8, 8) : number(4, 4), entries = number(directory, count_bytes);
    std::uint64_t at = directory + count_bytes;
    for (std::uint64_t i = 0; i < entries && at < bytes.size(); ++i, at += entry_bytes) {
      constexpr std::uint64_t type_long = 4;
      if (number(at, 2) != TIFFTAG_PHOTOMETRIC) continue;
      return number(at + entry_bytes - value_bytes, number(at + 2, 2) == type_long ? 4 : 2);
    }
    return 0;
  }

  [[noreturn]] void fail_without_palette() const { file_.fail("damaged TIFF: found no palette"); }

  void read_palette() {
    std::array<std::uint16_t*, 3> colours{};
    if (TIFFGetField(tiff_, TIFFTAG_COLORMAP, &colours[0], &colours[1], &colours[2]) == 0) fail_without_palette();
    for (std::size_t i = 0; i < std::size_t{1} << samples_.bits; ++i) {
      for (std::size_t c = 0; c < 3; ++c) samples_.palette[i][c] = static_cast<std::uint8_t>(colours[c][i] >> 8);
    }
  }

  void read_strips(Image& image) {
    const Index rows = std::clamp<Index>(rows_per_strip(), 1, image.height());
    const Index planes = separate_ ? static_cast<Index>(samples_.count) : 1;
    const std::size_t row_bytes = row_size(image.width());
    std::vector<std::uint8_t> chunk(row_bytes * static_cast<std::size_t>(rows * planes));
    for (Index y = 0; y < image.height(); y += rows) {
      const Index count = std::min(rows, image.height() - y);
      const std::size_t plane_bytes = row_bytes * static_cast<std::size_t>(count);
      for (Index plane = 0; plane < planes; ++plane) {
        const std::uint32_t strip =
            TIFFComputeStrip(tiff_, static_cast<std::uint32_t>(y), static_cast<std::uint16_t>(plane));
        const tmsize_t wanted = static_cast<tmsize_t>(plane_bytes);
        require((raw_ ? TIFFReadRawStrip : TIFFReadEncodedStrip)(
                    tiff_, strip, chunk.data() + plane_bytes * static_cast<std::size_t>(plane), wanted),
                wanted);
      }
      convert(chunk.data(), row_bytes, plane_bytes, image, {y, 0}, {count, image.width()});
    }
  }

  void read_tiles(Image& image) {
    const Index width = tag32(TIFFTAG_TILEWIDTH), height = tag32(TIFFTAG_TILELENGTH);
    check_size(file_, height, width, max_pixels_);
    const Index planes = separate_ ? static_cast<Index>(samples_.count) : 1;
    const std::size_t row_bytes = row_size(width), plane_bytes = row_bytes * static_cast<std::size_t>(height);
    std::vector<std::uint8_t> chunk(plane_bytes * static_cast<std::size_t>(planes));
    for (Index y = 0; y < image.height(); y += height) {
      for (Index x = 0; x < image.width(); x += width) {
        for (Index plane = 0; plane < planes; ++plane) {
          const std::uint32_t tile =
              TIFFComputeTile(tiff_, static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y), 0,
                              static_cast<std::uint16_t>(plane));
          const tmsize_t wanted = static_cast<tmsize_t>(plane_bytes);
          require((raw_ ? TIFFReadRawTile : TIFFReadEncodedTile)(
                      tiff_, tile, chunk.data() + plane_bytes * static_cast<std::size_t>(plane), wanted),
                  wanted);
        }
        convert(chunk.data(), row_bytes, plane_bytes, image, {y, x},
                {std::min(height, image.height() - y), std::min(width, image.width() - x)});
      }
    }
  }

  /// Writes the top left part of a chunk to the image at `corner`.
  void convert(const std::uint8_t* chunk, std::size_t row_bytes, std::size_t plane_bytes, Image& image, Size corner,
               Size part) const {
    for (Index y = 0; y < part.height; ++y) {
      samples_.to_rgb(chunk + row_bytes * static_cast<std::size_t>(y), separate_ ? plane_bytes : 0, part.width,
                      image.data() + ((corner.height + y) * image.width() + corner.width) * 3);
    }
  }

  /// The bytes of a row of one plane.
  std::size_t row_size(Index width) const {
    const std::size_t values = static_cast<std::size_t>(width) * (separate_ ? 1 : samples_.count);
    return (values * samples_.bits + 7) / 8;
  }

  Index rows_per_strip() const {
    std::uint32_t rows = 0;
    return TIFFGetFieldDefaulted(tiff_, TIFFTAG_ROWSPERSTRIP, &rows) != 0 ? rows : 0;
  }

  /// Whether the first chunk of an image without compression has bytes for three colours of every pixel.
  bool has_all_colours(Index height, Index width) const {
    const Index pixels = TIFFIsTiled(tiff_) != 0 ? tag32(TIFFTAG_TILEWIDTH) * tag32(TIFFTAG_TILELENGTH)
                                                 : width * std::clamp<Index>(rows_per_strip(), 1, height);
    return tag(TIFFTAG_FILLORDER, FILLORDER_MSB2LSB) == FILLORDER_MSB2LSB &&
           TIFFGetStrileByteCount(tiff_, 0) >= static_cast<std::uint64_t>(pixels) * 3;
  }

  /// Uses the library's own conversion, as Pillow does for compressed YCbCr other than JPEG.
  Image pixels_by_libtiff(Index height, Index width) {
    TIFFRGBAImage rgba;
    std::array<char, 1024> reason{};
    if (TIFFRGBAImageBegin(&rgba, tiff_, 1, reason.data()) == 0) file_.fail(std::string("TIFF: ") + reason.data());
    const std::unique_ptr<TIFFRGBAImage, void (*)(TIFFRGBAImage*)> end(&rgba, &TIFFRGBAImageEnd);
    rgba.req_orientation = rgba.orientation;  // returned as stored
    std::vector<std::uint32_t> raster(static_cast<std::size_t>(height * width));
    if (TIFFRGBAImageGet(&rgba, raster.data(), static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)) ==
        0) {
      fail();
    }
    Image image(height, width);
    std::uint8_t* out = image.data();
    for (const std::uint32_t pixel : raster) {
      *out++ = static_cast<std::uint8_t>(TIFFGetR(pixel));
      *out++ = static_cast<std::uint8_t>(TIFFGetG(pixel));
      *out++ = static_cast<std::uint8_t>(TIFFGetB(pixel));
    }
    return image;
  }

  void require(tmsize_t found, tmsize_t wanted) const {
    if (found != wanted) fail();
  }

  [[noreturn]] void fail() const {
    std::string_view reason = message_[0] == '\0' ? "too few pixels" : message_.data();
    if (reason.starts_with(": ")) reason.remove_prefix(2);  // the file's name, of which libtiff knows none
    file_.fail(concat({"damaged, truncated or unknown TIFF (", reason, ")"}));
  }

  ImageFile file_;
  std::int64_t max_pixels_;
  TIFF* tiff_ = nullptr;
  std::uint64_t at_ = 0;  // the library's position
  bool separate_ = false;
  bool raw_ = false;  // chunks are read as they are stored
  TiffSamples samples_;
  std::array<char, 256> message_{};  // the last error: those before it didn't stop the library
};

/// Also turns the image upright, because Pillow always does.
inline Decoded decode_tiff(const ImageFile& file, const DecodeOptions& options) {
  Tiff tiff(file, options.max_pixels);
  return {turn_upright(tiff.pixels(), tiff.orientation())};
}

#else

inline constexpr ImageReader decode_tiff = nullptr;

#endif

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
