// Reads and checks a safetensors header while it is parsed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/tensor.hpp>
#include <beit/io/text.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Writes a size for a message: "8 bytes".
BEIT_COLD inline std::string count_text(std::uint64_t bytes) {
  return concat({bytes, bytes == 1 ? " byte" : " bytes"});
}

/// Writes a range for a message: "[0, 8]".
BEIT_COLD inline std::string range_text(std::uint64_t begin, std::uint64_t end) {
  return concat({"[", begin, ", ", end, "]"});
}

/// The largest number of keys in all objects of a header before `data_size` bytes of data, of which each tensor that
/// isn't empty has at least one. Without it, a hostile header could make its reader take many times its own length in
/// memory: a key may have a single character.
inline std::uint64_t most_header_names(std::uint64_t data_size) {
  constexpr std::uint64_t most_tensors = 65'536;  // the largest BEiT has fewer than a thousand
  constexpr std::uint64_t entry_names = 4;        // the tensor's, dtype, shape and data_offsets
  return 4096 + entry_names * std::min(data_size, most_tensors);
}

/// Builds the tensors and the metadata from the parser's events, without a tree of the JSON. Throws WeightError.
class HeaderReader final : public StrictJsonEvents {
 public:
  /// `data` follows the header in the file; `file` is the path for messages and must outlive this.
  HeaderReader(const std::string& file, std::span<const std::byte> data)
      : StrictJsonEvents(concat({file, ": header"})),
        file_(file),
        data_(data),
        most_names_(most_header_names(data.size())) {}

  /// Reads the JSON, which is an object, and checks everything.
  BEIT_COLD void read(std::string_view json) {
    parse(json);
    check_extents();
    for (const Extent& extent : extents_) {
      const std::size_t begin = extent.begin, size = extent.end - extent.begin;  // within the file
      extent.tensor->second.data = data_.subspan(begin, size);
    }
  }

  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const std::string&) override { return scalar(value); }
  bool string(std::string& value) override { return scalar(std::move(value)); }
  bool start_array(std::size_t) override { return start("["); }
  bool end_array() override { return end("]", "array"); }
  bool start_object(std::size_t) override { return start("{"); }
  bool end_object() override { return end("}", "object"); }

  bool key(std::string& key) override {
    add_key(key);
    if (++names_ > most_names_) {
      fail(concat({"header has more than ", most_names_, " names, which is too many for ", count_text(data_.size()),
                   " of tensor data"}));
    }
    if (nesting() == top_depth) {
      name_ = std::move(key);
    } else if (nesting() == member_depth) {
      member_ = std::move(key);
      list_ = value_ != Value::entry      ? nullptr
              : member_ == "shape"        ? &entry_.shape
              : member_ == "data_offsets" ? &entry_.offsets
                                          : nullptr;
    } else if (list_ != nullptr) {
      list_->show(concat({in_quotes(key), ":"}));
    }
    return true;
  }

 private:
  using Json = nlohmann::json;
  // The nesting of the header's members, of a tensor's members, and of the elements of its lists.
  static constexpr std::size_t top_depth = 1, member_depth = 2, element_depth = 3;
  static constexpr std::string_view metadata_name = "__metadata__";
  static constexpr std::size_t max_rank = 64;      // as in NumPy
  static constexpr std::size_t shown_length = 60;  // characters of a value that messages show
  static constexpr auto max_index = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());

  /// A value that should be an array of non-negative integers.
  struct List {
    std::string text;            // for messages; empty if the member is missing
    std::vector<Index> numbers;  // max_rank at most
    bool is_valid = false;

    BEIT_COLD void show(std::string_view token) {
      if (text.size() > shown_length) return;
      const bool first = text.empty() || text.ends_with('[') || text.ends_with('{') || text.ends_with(':');
      if (!first && token != "]" && token != "}") text += ',';
      text += token;
    }
  };

  /// The members of a tensor's object that have been read so far.
  struct Entry {
    std::string dtype_type;  // the JSON type, empty if it is missing
    std::string dtype;
    List shape, offsets;
  };

  /// A tensor's bytes as the header gives them: [begin, end), counted from the end of the header.
  struct Extent {
    std::uint64_t begin;
    std::uint64_t end;
    std::map<std::string, Tensor>::value_type* tensor;
    std::string name() const { return printable(tensor->first); }
  };

  /// The kind of a value at the top level of the header.
  enum class Value { entry, metadata, wrong };

  BEIT_COLD bool scalar(const Json& json) {
    const std::size_t depth = nesting();
    if (depth == top_depth) {
      if (json.is_null() && name_ == metadata_name) return true;  // as if it weren't there
      fail_value(json.type_name());
    }
    if (value_ == Value::metadata && depth == member_depth) {
      const std::string* const text = string_in(json);
      if (text == nullptr) fail_metadata(json.type_name());
      metadata.insert({member_, *text});
    } else if (list_ != nullptr) {
      const std::uint64_t* const number = unsigned_in(json);
      if (depth != element_depth || number == nullptr || *number > max_index) {
        list_->is_valid = false;
      } else if (list_->numbers.size() == max_rank) {
        fail(concat({printable(name_), ": ", member_, " is ", printable(list_->text, shown_length), ", wanted at most ",
                     max_rank, " numbers"}));
      } else {
        list_->numbers.push_back(static_cast<Index>(*number));
      }
      if (list_->text.size() <= shown_length) list_->show(json_text(json));
    } else if (value_ == Value::entry && depth == member_depth && member_ == "dtype") {
      entry_.dtype_type = json.type_name();
      if (const std::string* const text = string_in(json)) entry_.dtype = *text;
    }
    return true;
  }

  bool start(const char* bracket) {
    const std::size_t depth = nesting();
    const bool is_array = *bracket == '[';
    if (depth == top_depth) {
      value_ = is_array ? Value::wrong : name_ == metadata_name ? Value::metadata : Value::entry;
      list_ = nullptr;
      entry_ = {};
    } else if (list_ != nullptr) {
      list_->is_valid = depth == member_depth && is_array;
      list_->show(bracket);
    }
    enter();
    return true;
  }

  /// Reports type errors of objects and arrays when they end, so that excessive depth is reported first.
  bool end(const char* bracket, const char* type) {
    leave();
    const std::size_t depth = nesting();
    if (depth == member_depth && value_ == Value::metadata) fail_metadata(type);
    if (depth == member_depth && member_ == "dtype") entry_.dtype_type = type;
    if (depth >= member_depth && list_ != nullptr) list_->show(bracket);
    if (depth != top_depth) return true;
    list_ = nullptr;
    if (value_ == Value::wrong) fail_value(type);
    if (value_ == Value::entry) add_entry();
    return true;
  }

  /// Adds a tensor, still without data, after every check that needs only its own entry.
  BEIT_COLD void add_entry() {
    const std::string where = concat({printable(name_), ": "});
    const auto require = [&](bool exists, const char* member) {
      if (!exists) fail(concat({where, member, " is missing"}));
    };
    require(!entry_.dtype_type.empty(), "dtype");
    if (entry_.dtype_type != "string") fail(concat({where, "dtype is ", entry_.dtype_type, ", wanted string"}));
    const std::string& dtype = entry_.dtype;
    const auto info =
        std::find_if(dtypes.begin(), dtypes.end(), [&](const DTypeInfo& known) { return known.name == dtype; });
    if (info == dtypes.end()) fail(concat({where, "unknown dtype \"", printable(dtype), "\""}));

    Tensor tensor;
    tensor.dtype = info->dtype;
    const List& shape = entry_.shape;
    require(!shape.text.empty(), "shape");
    if (!shape.is_valid) {
      fail(
          concat({where, "shape is ", printable(shape.text, shown_length), ", wanted array of non-negative integers"}));
    }
    // Dimensions count even if another one is 0, because products of some of a shape's dimensions must be safe, too.
    std::uint64_t nonzero_bits = static_cast<std::uint64_t>(info->bits);
    for (const Index size : shape.numbers) {
      tensor.shape.push_back(size);
      const auto dim = static_cast<std::uint64_t>(size);
      if (dim > 1 && nonzero_bits > max_index / dim) {
        fail(concat({where, tensor.shape.size() < shape.numbers.size() ? "shape that begins with " : "shape ",
                     shape_text(tensor.shape), " overflows"}));
      }
      nonzero_bits *= std::max<std::uint64_t>(dim, 1);
    }
    const std::uint64_t bits = tensor.size() == 0 ? 0 : nonzero_bits;

    const List& offsets = entry_.offsets;
    require(!offsets.text.empty(), "data_offsets");
    const std::string offsets_text = printable(offsets.text, shown_length);
    if (!offsets.is_valid || offsets.numbers.size() != 2) {
      fail(concat({where, "data_offsets are ", offsets_text, ", wanted two non-negative integers"}));
    }
    const auto begin = static_cast<std::uint64_t>(offsets.numbers[0]),
               end = static_cast<std::uint64_t>(offsets.numbers[1]);
    if (begin > end) fail(concat({where, "data_offsets ", offsets_text, " end before they begin"}));
    if (bits % 8 != 0) {
      fail(concat({where, "shape ", shape_text(tensor.shape), " of ", dtype, " doesn't fill whole bytes"}));
    }
    if (end - begin != bits / 8) {
      fail(concat({where, "data_offsets ", offsets_text, " hold ", count_text(end - begin), ", wanted ", bits / 8,
                   " for ", dtype, " of shape ", shape_text(tensor.shape)}));
    }
    extents_.push_back({begin, end, &*tensors.insert({name_, std::move(tensor)}).first});
  }

  /// Checks that the tensors together fill the data exactly, in some order.
  BEIT_COLD void check_extents() {
    const auto before = [](const Extent& a, const Extent& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    };
    // Heap sort: std::sort is several times the code to compile.
    std::make_heap(extents_.begin(), extents_.end(), before);
    std::sort_heap(extents_.begin(), extents_.end(), before);
    const std::uint64_t data_size = data_.size();
    std::uint64_t filled = 0;
    const Extent* previous = nullptr;
    for (const Extent& extent : extents_) {
      if (extent.begin < filled) {
        fail(concat({extent.name(), ": data_offsets ", range_text(extent.begin, extent.end), " overlap those of ",
                     previous->name(), ", which end at ", filled}));
      }
      if (extent.begin > filled && extent.end > data_size) {
        fail(concat({extent.name(), ": data_offsets ", range_text(extent.begin, extent.end),
                     " reach beyond the file's data of ", count_text(data_size)}));
      }
      if (extent.begin > filled) {
        fail(concat({"hole in the data: bytes ", range_text(filled, extent.begin), " before ", extent.name(),
                     " belong to no tensor"}));
      }
      filled = extent.end;
      previous = &extent;
    }
    if (filled > data_size) {
      fail(concat({"file is shorter than its header says: found ", count_text(data_size), " of tensor data, wanted ",
                   filled, " (a truncated download?)"}));
    }
    if (filled < data_size) {
      fail(concat(
          {"file is longer than its header says: found ", count_text(data_size), " of tensor data, wanted ", filled}));
    }
  }

  [[noreturn]] BEIT_COLD void fail_json(const std::string& message) const override { throw WeightError(message); }
  [[noreturn]] BEIT_COLD void fail(const std::string& reason) const {
    throw WeightError(concat({file_, ": ", reason}));
  }
  [[noreturn]] BEIT_COLD void fail_value(const char* found) const {
    const bool is_metadata = name_ == metadata_name;
    fail(concat({printable(name_), ": found ", found, ", wanted object ",
                 is_metadata ? "of strings" : "with dtype, shape, data_offsets"}));
  }
  [[noreturn]] BEIT_COLD void fail_metadata(const char* found) const {
    fail(concat({"__metadata__: \"", printable(member_), "\" is ", found, ", wanted string"}));
  }

  const std::string& file_;
  std::span<const std::byte> data_;
  std::uint64_t most_names_, names_ = 0;
  std::string name_, member_;  // the keys that lead to the parser's position
  Value value_ = Value::wrong;
  Entry entry_;
  List* list_ = nullptr;  // the list of entry_ that the parser is in, if any
  std::vector<Extent> extents_;
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
