// Rows of a .npy file, read where they lie: arrays that are larger than memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/error.hpp>
#include <beit/core/half.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/mapped_file.hpp>
#include <beit/io/npy.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

/// A two-dimensional array of float32 or float16 in C order, (rows, cols), mapped.
class MappedNpy {
 public:
  /// Throws FileError when the file can't be read or is anything else.
  explicit MappedNpy(const std::filesystem::path& path) : file_(path) {
    const auto fail = [&path](const std::string& reason) { throw FileError(detail::path_text(path) + ": " + reason); };
    const std::string_view text(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
    const std::size_t before = detail::npy_magic.size() + sizeof(std::uint16_t);
    if (!text.starts_with(detail::npy_magic) || text.size() < before) fail("not a .npy file of version 1.0");
    std::uint16_t length = 0;
    std::memcpy(&length, text.data() + detail::npy_magic.size(), sizeof length);
    if (length > text.size() - before) fail("file ends inside its header");
    std::string descr, fortran_order;
    std::vector<Index> shape;
    const std::string_view header = text.substr(before, length);
    if (!detail::NpyHeaderParser(header).parse(descr, fortran_order, shape)) {
      fail("damaged .npy header \"" + detail::printable(header) + "\"");
    }
    if (descr != "<f4" && descr != "<f2") {
      fail("found dtype '" + detail::printable(descr) + "', wanted '<f4' or '<f2'");
    }
    if (fortran_order != "False") fail("found Fortran order, wanted C order");
    if (shape.size() != 2) fail("found shape " + shape_text(shape) + ", wanted two dimensions");
    begin_ = before + length;
    half_ = descr == "<f2";
    rows_ = shape[0];
    cols_ = shape[1];
    const std::size_t data_size = text.size() - begin_;
    const Index limit = std::numeric_limits<Index>::max() / 4;
    if ((cols_ > 0 && rows_ > limit / cols_) || static_cast<std::size_t>(rows_ * cols_) * element() != data_size) {
      fail("found " + std::to_string(data_size) + " bytes of data, which shape " + shape_text(shape) + " contradicts");
    }
  }

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }

  /// Rows [begin, begin + count) as floats, (count, cols): in the file itself, or in `buffer` where they are float16.
  /// They hold until the next call with that buffer. The caller keeps within rows().
  Eigen::Map<const RowMajorMatrix> read(Index begin, Index count, AlignedBuffer<float>& buffer) const {
    const std::byte* const data = file_.bytes().data() + begin_ + static_cast<std::size_t>(begin * cols_) * element();
    if (!half_ && reinterpret_cast<std::uintptr_t>(data) % alignof(float) == 0) {
      return {reinterpret_cast<const float*>(data), count, cols_};
    }
    if (buffer.size() < count * cols_) buffer = AlignedBuffer<float>(count * cols_);
    if (!half_) {
      std::memcpy(buffer.data(), data, static_cast<std::size_t>(count * cols_) * sizeof(float));
    } else {
      // Infinities stay what they are: whoever uses the rows looks.
      detail::widen<std::uint16_t, detail::float16_to_float_bits>(data, count * cols_, buffer.data());
    }
    return {buffer.data(), count, cols_};
  }

  /// Tells the system that these rows aren't needed again soon (MappedFile::release).
  void release(Index begin, Index count) const {
    file_.release(begin_ + static_cast<std::size_t>(begin * cols_) * element(),
                  static_cast<std::size_t>(count * cols_) * element());
  }

 private:
  std::size_t element() const { return half_ ? 2 : 4; }

  MappedFile file_;
  std::size_t begin_ = 0;  // of the data
  bool half_ = false;
  Index rows_ = 0, cols_ = 0;
};

}  // namespace beit::inline BEIT_ABI
