// Reads parameters under timm's names from files of publishers with other names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/tensor.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>

namespace beit::inline BEIT_ABI {

/// Maps tensors of a publisher's files to a parameter.
///
/// A name stands for all names that begin with it; the rest is the same on both sides. '*' stands for the number of a
/// block. Each row takes the tensors that no earlier row has taken, unless their parameter has already been found: of
/// several rows for one parameter, the first that finds a tensor wins. Tensors that no row names keep their names.
struct NameRow {
  std::string_view ours;  ///< timm's name: "blocks.*.norm1."; empty for tensors that no model here has.
  /// The file's name: "encoder.layer.*.layernorm_before."; several names if the parameter joins as many tensors, one
  /// below the other.
  std::array<std::string_view, 3> theirs;
  bool beside = false;    ///< Whether the tensors stand beside the trunk, as heads do, instead of in it.
  Index unused_rows = 0;  ///< If not 0, the parameter (1, n, C) follows so many rows of the tensor (rows + n, C).
};

/// The names of a publisher.
struct NameTable {
  /// The end of a name that only this publisher's files have, and only once. In the file, the prefix of all names of
  /// the trunk stands before it.
  std::string_view marker;
  std::span<const NameRow> rows;
  std::span<const NameRow> more{};  ///< Rows that follow, which several tables share.
  /// If other publishers' files have the marker, too: a name that only this one's have beside it, under the same
  /// prefix.
  std::string_view companion{};
};

/// A parameter as a file stores it: the bytes of the tensors that it joins, one below the other.
struct StoredParameter {
  DType dtype;
  std::vector<Index> shape;
  std::vector<std::span<const std::byte>> parts;
};

namespace detail {

/// Replaces `from`, with which `name` begins, by `to`. Returns nothing if it doesn't begin so.
BEIT_COLD inline std::optional<std::string> renamed(std::string_view name, std::string_view from, std::string_view to) {
  std::string_view number;
  if (const std::size_t star = from.find('*'); star != from.npos) {
    if (!name.starts_with(from.substr(0, star))) return {};
    name.remove_prefix(star);
    number = name.substr(0, name.find_first_not_of("0123456789"));
    if (number.empty()) return {};
    name.remove_prefix(number.size());
    from.remove_prefix(star + 1);
  }
  if (!name.starts_with(from)) return {};
  name.remove_prefix(from.size());
  const std::size_t star = to.find('*');
  if (star == to.npos) return concat({to, name});
  return concat({to.substr(0, star), number, to.substr(star + 1), name});
}

/// The text before the table's marker in the only name of `file` that ends in it; nothing if no name does, or several
/// do, or if the marker stands there without its companion.
BEIT_COLD inline std::optional<std::string> prefix_of(const WeightReader& file, const NameTable& table) {
  std::vector<std::string> found = file.names_ending_in(table.marker);
  std::erase_if(found, [&](std::string& name) {
    name.resize(name.size() - table.marker.size());
    if (!name.empty() && !name.ends_with('.')) return true;
    return !table.companion.empty() && !file.has(concat({name, table.companion}));
  });
  return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

}  // namespace detail

/// The parameters of a file under timm's names. Nothing is copied.
///
/// The file's names may all stand under a prefix: "model.", "module.", "backbone.", "beit." ... Tensors beside the
/// trunk have that prefix without its last part: "module.classifier." beside "module.beit.". The reader and the table
/// must outlive it. Messages show the file's names.
class TimmNames final : public WeightSource {
 public:
  /// Translates the names of `file` by `table`; without its marker there is no prefix.
  BEIT_COLD TimmNames(const WeightReader& file, const NameTable& table)
      : file_(&file), table_(table), trunk_(detail::prefix_of(file, table).value_or("")) {
    if (trunk_.size() > 1) beside_ = trunk_.substr(0, trunk_.rfind('.', trunk_.size() - 2) + 1);
    std::set<std::string> left;
    for (std::string& name : file.names_ending_in("")) left.insert(std::move(name));
    for (const std::span<const NameRow> rows : {table_.rows, table_.more, std::span<const NameRow>(unchanged)}) {
      for (const NameRow& row : rows) take(row, left);
    }
  }

  bool has(const std::string& name) const override { return places_.contains(name); }

  /// The names of all parameters.
  BEIT_COLD std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, place] : places_) result.push_back(name);
    return result;
  }

  /// A parameter as the file stores it. WeightError if it is missing, or if tensors that it joins differ in type or
  /// size.
  BEIT_COLD StoredParameter stored(const std::string& name) const {
    const Place& place = at(name);
    const Tensor& first = file_->stored(place.tensors[0]);
    StoredParameter result{first.dtype, shape(name), {}};
    const auto unused_rows = static_cast<std::size_t>(place.row->unused_rows);
    const std::size_t unused =
        unused_rows == 0 ? 0 : first.data.size() / static_cast<std::size_t>(first.shape[0]) * unused_rows;
    for (const std::string& tensor : place.tensors) {
      const Tensor& part = file_->stored(tensor);
      if (part.dtype != first.dtype || part.shape != first.shape) {
        throw WeightError(
            detail::concat({file_->where(tensor), ": found ", dtype_name(part.dtype), " ", shape_text(part.shape),
                            ", wanted ", dtype_name(first.dtype), " ", shape_text(first.shape), ", as ",
                            detail::printable(place.tensors[0]), " is"}));
      }
      result.parts.push_back(part.data.subspan(unused));
    }
    return result;
  }

  /// Whether there is a parameter whose name begins with `start`.
  BEIT_COLD bool has_any(std::string_view start) const {
    const auto found = places_.lower_bound(std::string(start));
    return found != places_.end() && found->first.starts_with(start);
  }

  /// Marks the parameters whose names begin with `start` as read.
  BEIT_COLD void ignore(std::string_view start) const {
    for (const auto& [name, place] : places_) {
      if (!name.starts_with(start)) continue;
      for (const std::string& tensor : place.tensors) file_->ignore(tensor);
    }
  }

  /// Names the first of several tensors, and a missing parameter as the first row for it does.
  BEIT_COLD std::string where(const std::string& name) const override {
    const auto found = places_.find(name);
    std::vector<std::string> wanted = found == places_.end() ? std::vector<std::string>() : found->second.tensors;
    for (const std::span<const NameRow> rows : {table_.rows, table_.more}) {
      for (const NameRow& row : rows) {
        if (wanted.empty() && !row.ours.empty()) wanted = tensors(row, name);
      }
    }
    if (wanted.empty()) wanted = tensors(unchanged[0], name);
    return file_->where(wanted[0]);
  }

  std::vector<Index> shape(const std::string& name) const override {
    const Place& place = at(name);
    std::vector<Index> shape = file_->shape(place.tensors[0]);
    if (place.is_whole()) return shape;
    if (shape.empty() || shape[0] <= place.row->unused_rows) {
      throw WeightError(detail::concat({file_->name(), ": ", detail::printable(place.tensors[0]), ": found shape ",
                                        shape_text(shape), ", wanted more than ", place.row->unused_rows, " rows"}));
    }
    shape[0] = shape[0] * std::ssize(place.tensors) - place.row->unused_rows;
    if (place.row->unused_rows > 0) shape.insert(shape.begin(), 1);
    return shape;
  }

  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    const Place& place = at(name);
    if (place.is_whole()) return file_->read(place.tensors[0], shape, begin, count, out);
    std::vector<Index> tensor_shape(shape.begin(), shape.end());
    if (place.row->unused_rows > 0) {
      tensor_shape.erase(tensor_shape.begin());
      tensor_shape[0] += place.row->unused_rows;
    }
    tensor_shape[0] /= std::ssize(place.tensors);
    Index row_size = 1;
    for (std::size_t i = 1; i < tensor_shape.size(); ++i) row_size *= tensor_shape[i];
    const Index unused = place.row->unused_rows * row_size, size = tensor_shape[0] * row_size - unused;
    Index start = -unused;  // of the tensor's first element in the parameter
    for (const std::string& tensor : place.tensors) {
      const Index first = std::max(begin, start), last = std::min(begin + count, start + unused + size);
      if (count == 0) file_->read(tensor, tensor_shape, 0, 0, nullptr);  // only checks the shape
      if (first < last) file_->read(tensor, tensor_shape, first - start, last - first, out + (first - begin));
      start += size;
    }
  }

 private:
  /// The place of a parameter.
  struct Place {
    const NameRow* row;
    std::vector<std::string> tensors;  // their full names, as many as row->theirs

    /// Whether the parameter is a tensor as it stands in the file.
    bool is_whole() const { return tensors.size() == 1 && row->unused_rows == 0; }
  };

  /// The rows that follow those of every table.
  static constexpr std::array<NameRow, 2> unchanged{{{"", {""}}, {"", {""}, true}}};

  static std::span<const std::string_view> parts(const NameRow& row) {
    const auto end = std::find(row.theirs.begin() + 1, row.theirs.end(), std::string_view());
    return {row.theirs.begin(), end};
  }

  const std::string& prefix(const NameRow& row) const { return row.beside ? beside_ : trunk_; }

  /// The tensors that a row gives for `name`; nothing if the row is for other names.
  BEIT_COLD std::vector<std::string> tensors(const NameRow& row, std::string_view name) const {
    std::vector<std::string> result;
    for (const std::string_view theirs : parts(row)) {
      if (const auto tensor = detail::renamed(name, row.ours, theirs)) {
        result.push_back(detail::concat({prefix(row), *tensor}));
      }
    }
    return result;
  }

  /// Assigns places to those of the remaining tensors that a row names.
  BEIT_COLD void take(const NameRow& row, std::set<std::string>& left) {
    std::vector<std::string> taken;
    for (const std::string& tensor : left) {
      if (!tensor.starts_with(prefix(row))) continue;
      for (const std::string_view theirs : parts(row)) {
        const auto name = detail::renamed(std::string_view(tensor).substr(prefix(row).size()), theirs, row.ours);
        if (!name) continue;
        if (row.ours.empty() && !theirs.empty()) {
          file_->ignore(tensor);
          taken.push_back(tensor);
        } else if (places_.try_emplace(*name, Place{&row, tensors(row, *name)}).first->second.row == &row) {
          taken.push_back(tensor);
        }
        break;
      }
    }
    for (const std::string& tensor : taken) left.erase(tensor);
  }

  const Place& at(const std::string& name) const {
    const auto found = places_.find(name);
    if (found == places_.end()) throw WeightError(detail::concat({where(name), ": tensor is missing"}));
    return found->second;
  }

  const WeightReader* file_;
  NameTable table_;
  std::string trunk_;   // the prefix of the trunk's names
  std::string beside_;  // the prefix of heads' names
  std::map<std::string, Place> places_;
};

}  // namespace beit::inline BEIT_ABI
