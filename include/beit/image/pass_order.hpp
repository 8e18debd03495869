// The order of the two passes of a resize, in which versions of Pillow differ.
#pragma once

#include <string_view>

#include <beit/core/enum_names.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Whether an image is first resized across, along its rows, or down, along its columns. The first pass rounds to
/// bytes, so a few values of 8 bits differ by the order.
enum class PassOrder {
  /// The order of Pillow 13.0: down first if the height shrinks, by more than twice as many pixels as the width, as in
  /// portrait pictures that are squeezed into a square and in screenshots of telephones; else across first.
  pillow_13,
  across_first,  ///< The order of Pillow up to 12.1, which makes features comparable with those computed by it.
};

/// Every order.
inline constexpr PassOrder pass_orders[] = {PassOrder::pillow_13, PassOrder::across_first};

/// The name of an order: "pillow_13" or "across_first".
constexpr std::string_view pass_order_name(PassOrder order) {
  constexpr std::string_view names[] = {"pillow_13", "across_first"};
  return names[static_cast<int>(order)];
}

/// The order of that name. ArgumentError, which lists the names, if there is none.
inline PassOrder pass_order_from_name(std::string_view name) {
  return detail::from_name("pass_order", name, pass_orders, pass_order_name);
}

}  // namespace beit::inline BEIT_ABI
