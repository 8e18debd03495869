// The destination of a resized image's rows.
#pragma once

#include <cstdint>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// A view of a function that takes the rows of a resized image one by one, from the top: write(y, row), row (width, 3).
class RowWriter {
 public:
  /// `write` must outlive this.
  template <typename Write>
  RowWriter(const Write& write)
      : write_(&write), call_([](const void* context, Index y, const std::uint8_t* row) {
          (*static_cast<const Write*>(context))(y, row);
        }) {}

  void operator()(Index y, const std::uint8_t* row) const { call_(write_, y, row); }

 private:
  const void* write_;
  void (*call_)(const void*, Index, const std::uint8_t*);
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
