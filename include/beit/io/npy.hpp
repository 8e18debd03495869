// Reads and writes NumPy's .npy files, version 1.0, in C order: float32 and float16, and int32 to write.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/half.hpp>
#include <beit/core/mapped_file.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/atomic_file.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {

/// The element type of a file. int32 is written, but MappedNpy doesn't read it.
enum class NpyType { float32, float16, int32 };

namespace detail {

inline constexpr std::string_view npy_magic{"\x93NUMPY\x01\x00", 8};  // with the version

/// Returns magic, header length and header: at least `min_size` bytes, a multiple of 64.
inline std::string npy_preamble(NpyType type, Index rows, const std::vector<Index>& row_shape, std::size_t min_size) {
  std::vector<Index> shape{rows};
  shape.insert(shape.end(), row_shape.begin(), row_shape.end());
  std::string dims;
  for (std::size_t i = 0; i < shape.size(); ++i) dims += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  if (shape.size() == 1) dims += ",";
  const std::string dict = std::string("{'descr': '")
                               .append(type == NpyType::float32   ? "<f4"
                                       : type == NpyType::float16 ? "<f2"
                                                                  : "<i4")
                               .append("', 'fortran_order': False, 'shape': (" + dims + "), }");

  const std::size_t before = npy_magic.size() + sizeof(std::uint16_t);
  std::size_t size = before + dict.size() + 1;  // the newline at the end
  size = (std::max(size, min_size) + 63) / 64 * 64;
  const auto length = static_cast<std::uint16_t>(size - before);
  std::string result(npy_magic);
  result.append(reinterpret_cast<const char*>(&length), sizeof length);
  result += dict;
  result.resize(size - 1, ' ');
  return result + '\n';
}

/// Reads the header's Python dictionary of exactly three known keys. Returns false if anything else is there.
class NpyHeaderParser {
 public:
  explicit NpyHeaderParser(std::string_view text) : rest_(text) {}

  bool parse(std::string& descr, std::string& fortran_order, std::vector<Index>& shape) {
    bool has_descr = false, has_order = false, has_shape = false;
    if (!take("{")) return false;
    for (int i = 0; i < 3; ++i) {
      std::string key;
      if (!quoted(key) || !take(":")) return false;
      bool* const seen = key == "descr" ? &has_descr : key == "fortran_order" ? &has_order : &has_shape;
      if (std::exchange(*seen, true)) return false;
      const bool ok = key == "descr"           ? quoted(descr)
                      : key == "fortran_order" ? word(fortran_order)
                                               : key == "shape" && tuple(shape);
      if (!ok || (!take(",") && i < 2)) return false;
    }
    return take("}") && (skip_space(), rest_.empty());
  }

 private:
  void skip_space() {
    const std::size_t n = rest_.find_first_not_of(" \n\t\r");
    rest_.remove_prefix(n == std::string_view::npos ? rest_.size() : n);
  }
  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool quoted(std::string& out) {
    if (!take("'")) return false;
    const std::size_t n = rest_.find('\'');
    if (n == std::string_view::npos) return false;
    out = rest_.substr(0, n);
    rest_.remove_prefix(n + 1);
    return true;
  }
  bool word(std::string& out) {
    for (const char* const value : {"True", "False"}) {
      if (take(value)) {
        out = value;
        return true;
      }
    }
    return false;
  }
  bool tuple(std::vector<Index>& out) {
    if (!take("(")) return false;
    while (!take(")")) {
      skip_space();
      Index dim = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      if (error != std::errc() || dim < 0) return false;
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      out.push_back(dim);
      if (!take(",")) return out.size() > 1 && take(")");  // Python's "(3)" is a number, not a tuple
    }
    return true;
  }

  std::string_view rest_;
};

}  // namespace detail

/// Writes rows one after the other; their number needn't be known beforehand. PATH appears, complete, in close() (see
/// AtomicFile). Only one thread at a time may use it.
class NpyWriter {
 public:
  /// Begins an array of shape (rows,) + row_shape. Throws FileError when the file can't be created; ArgumentError for a
  /// negative dimension, for more than 31 of them (NumPy reads 32 in all), or when the size of a row overflows.
  NpyWriter(std::filesystem::path path, std::vector<Index> row_shape, NpyType type = NpyType::float32)
      : type_(type), row_size_(checked_size(row_shape)), row_shape_(std::move(row_shape)), file_(std::move(path)) {
    // Leaves room for the largest count, so that close() can replace it by the true one.
    const std::string preamble = detail::npy_preamble(type_, std::numeric_limits<Index>::max(), row_shape_, 0);
    preamble_size_ = preamble.size();
    file_.write(preamble);
  }

  /// Appends rows (n, numbers of a row) to a file of float32 or float16. float16 rounds to the nearest, ties to even,
  /// and to infinity what is too large. ArgumentError for rows of another size, and for a file of int32; FileError when
  /// they can't be written, for example on a full disk.
  void write(const ConstRows& rows) {
    require_shape(rows, rows.rows(), row_size_, "NpyWriter: rows");
    require_type(type_ != NpyType::int32, "floats");
    const bool apart = rows.outerStride() != row_size_;
    for (Index i = 0; apart && i < rows.rows(); ++i) append(rows.data() + i * rows.outerStride(), row_size_);
    if (!apart) append(rows.data(), rows.size());
    rows_ += rows.rows();
  }
  /// Appends rows. An exact match: some standard libraries make spans of matrices, too.
  void write(const Matrix& rows) { write(ConstRows(rows)); }
  /// Appends the row or rows that these numbers are, one after the other. ArgumentError unless they are whole rows.
  void write(std::span<const float> numbers) {
    const Index rows = whole_rows(numbers.size());
    write(ConstRows(Eigen::Map<const RowMajorMatrix>(numbers.data(), rows, row_size_)));
  }
  /// Appends the row or rows that these numbers are to a file of int32. ArgumentError unless they are whole rows.
  void write(std::span<const std::int32_t> numbers) {
    const Index rows = whole_rows(numbers.size());
    require_type(type_ == NpyType::int32, "int32");
    file_.write(numbers.data(), numbers.size_bytes());
    rows_ += rows;
  }

  /// Writes the number of rows into the header and renames the file, as AtomicFile::close does. Throws FileError.
  void close(Sync sync = Sync::no) {
    file_.seek_begin();
    file_.write(detail::npy_preamble(type_, rows_, row_shape_, preamble_size_));
    file_.close(sync);
  }

 private:
  static Index checked_size(const std::vector<Index>& row_shape) {
    if (row_shape.size() > 31) {
      throw ArgumentError(detail::concat({"NpyWriter: found ", row_shape.size(), " dimensions, wanted at most 31"}));
    }
    Index size = 1;
    for (const Index dim : row_shape) {
      const Index limit = std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(float)) / size;
      if (dim < 0 || dim > limit) throw ArgumentError("NpyWriter: impossible row shape " + shape_text(row_shape));
      size *= std::max<Index>(dim, 1);
    }
    for (const Index dim : row_shape) size = dim == 0 ? 0 : size;
    return size;
  }

  void require_type(bool fits, const char* found) const {
    if (fits) return;
    throw ArgumentError(detail::concat({"NpyWriter: found rows of ", found, ", wanted ",
                                        type_ == NpyType::int32 ? "int32" : "floats", ", which the file is of"}));
  }

  Index whole_rows(std::size_t numbers) const {
    const auto size = static_cast<std::size_t>(row_size_);
    if (size == 0 ? numbers == 0 : numbers % size == 0) return static_cast<Index>(size == 0 ? 0 : numbers / size);
    throw ArgumentError(detail::concat({"NpyWriter: found ", numbers, " numbers, wanted rows of ", row_size_}));
  }

  void append(const float* numbers, Index count) {
    const auto size = static_cast<std::size_t>(count);
    if (type_ == NpyType::float32) return file_.write(numbers, size * sizeof(float));
    halves_.resize(size);
    for (std::size_t i = 0; i < size; ++i) halves_[i] = Eigen::half(numbers[i]);
    file_.write(halves_.data(), size * sizeof(Eigen::half));
  }

  NpyType type_;
  Index row_size_;                // elements
  std::vector<Index> row_shape_;  // without the first dimension
  AtomicFile file_;
  std::size_t preamble_size_ = 0;
  Index rows_ = 0;
  std::vector<Eigen::half> halves_;  // scratch of append()
};

/// A two-dimensional array (rows, cols) of float32 or float16 in C order, mapped from its file: it may be larger than
/// memory.
class MappedNpy {
 public:
  /// Throws FileError when the file can't be read or isn't such an array.
  explicit MappedNpy(const std::filesystem::path& path) : file_(path, "an .npy file") {
    const auto fail = [&path](const std::string& reason) {
      throw FileError(detail::concat({detail::path_text(path), ": ", reason}));
    };
    const std::string_view text(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
    const std::size_t before = detail::npy_magic.size() + sizeof(std::uint16_t);
    if (!text.starts_with(detail::npy_magic) || text.size() < before) fail("not a .npy file of version 1.0");
    std::uint16_t length = 0;
    std::memcpy(&length, text.data() + detail::npy_magic.size(), sizeof length);
    if (length > text.size() - before) {
      fail(detail::concat(
          {"file ends inside its header: found ", text.size(), " bytes, wanted at least ", before + length}));
    }
    std::string descr, fortran_order;
    std::vector<Index> shape;
    const std::string_view header = text.substr(before, length);
    if (!detail::NpyHeaderParser(header).parse(descr, fortran_order, shape)) {
      fail(detail::concat({"damaged .npy header \"", detail::printable(header), "\""}));
    }
    if (descr != "<f4" && descr != "<f2") {
      fail(detail::concat({"found dtype '", detail::printable(descr), "', wanted '<f4' or '<f2'"}));
    }
    if (fortran_order != "False") fail("found Fortran order, wanted C order");
    if (shape.size() != 2) fail(detail::concat({"found shape ", shape_text(shape), ", wanted two dimensions"}));
    begin_ = before + length;
    type_ = descr == "<f2" ? NpyType::float16 : NpyType::float32;
    rows_ = shape[0];
    cols_ = shape[1];
    const std::size_t data_size = text.size() - begin_;
    const Index limit = std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(float));
    if ((cols_ > 0 && rows_ > limit / cols_) || static_cast<std::size_t>(rows_ * cols_) * element() != data_size) {
      fail(detail::concat({"found ", data_size, " bytes of data, which shape ", shape_text(shape), " contradicts"}));
    }
  }

  Index rows() const { return rows_; }  ///< Number of rows.
  Index cols() const { return cols_; }  ///< Number of columns.

  /// Rows [begin, begin + count), within rows(), as floats (count, cols): in the file itself, or in `buffer` if they
  /// are float16. They are valid until the next call with that buffer.
  [[nodiscard]] Eigen::Map<const RowMajorMatrix> read(Index begin, Index count, AlignedBuffer<float>& buffer) const {
    const std::byte* const data = file_.bytes().data() + begin_ + static_cast<std::size_t>(begin * cols_) * element();
    if (type_ == NpyType::float32 && reinterpret_cast<std::uintptr_t>(data) % alignof(float) == 0) {
      return {reinterpret_cast<const float*>(data), count, cols_};
    }
    if (count * cols_ == 0) return {nullptr, count, cols_};
    if (buffer.size() < count * cols_) buffer = AlignedBuffer<float>(count * cols_);
    if (type_ == NpyType::float32) {
      std::copy_n(data, count * cols_ * static_cast<Index>(sizeof(float)), reinterpret_cast<std::byte*>(buffer.data()));
    } else {
      // Infinities aren't errors here: the users of the rows check for them.
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
  std::size_t element() const { return type_ == NpyType::float16 ? 2 : 4; }

  MappedFile file_;
  std::size_t begin_ = 0;  // where the data begins
  NpyType type_ = NpyType::float32;
  Index rows_ = 0, cols_ = 0;
};

/// Reads a two-dimensional array of float32 or float16 as floats (rows, cols). Throws FileError as MappedNpy does.
[[nodiscard]] inline Matrix read_npy(const std::filesystem::path& path) {
  const MappedNpy file(path);
  AlignedBuffer<float> buffer;
  return Matrix(file.read(0, file.rows(), buffer));
}

}  // namespace beit::inline BEIT_ABI
