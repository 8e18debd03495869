// OpenCV's bilinear resize of 8-bit images, bit for bit: what mmcv's imrescale calls.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Two neighbours along one side and the weights of each, whose sum is about 2048.
struct OpencvTap {
  Index first, second;
  std::int32_t first_weight, second_weight;
};

/// The taps of a side of `from` pixels that is resized to `to`. Centres of pixels lie at halves, and there is no
/// antialiasing.
inline std::vector<OpencvTap> opencv_taps(Index from, Index to) {
  const double scale = 1 / (static_cast<double>(to) / static_cast<double>(from));
  const auto rounded = [](float weight) {
    return static_cast<std::int32_t>(round_half_even(static_cast<double>(weight * 2048)));
  };
  std::vector<OpencvTap> taps;
  for (Index i = 0; i < to; ++i) {
    const auto position = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    const float below = std::floor(position), rest = position - below;
    const Index first = static_cast<Index>(below);
    taps.push_back({std::clamp<Index>(first, 0, from - 1), std::clamp<Index>(first + 1, 0, from - 1), rounded(1 - rest),
                    rounded(rest)});
  }
  return taps;
}

}  // namespace detail

/// Returns the result of `cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)` for the image as RGB. ImageError for
/// an impossible image or size.
///
/// Source: OpenCV 4, modules/imgproc/src/resize.cpp: weights of 11 bits; a row's products keep 18 bits before the rows
/// are weighed.
[[nodiscard]] BEIT_COLD inline Image resize_opencv(const ImageView& image, Size size) {
  detail::require_readable(image);
  if (size.height < 1 || size.width < 1 || size.height > detail::max_image_side ||
      size.width > detail::max_image_side) {
    throw ImageError(detail::concat({"resize: found a size of ", size.height, " x ", size.width,
                                     ", wanted sides of 1 to ", detail::max_image_side}));
  }
  const std::vector<detail::OpencvTap> across = detail::opencv_taps(image.width, size.width);
  const std::vector<detail::OpencvTap> down = detail::opencv_taps(image.height, size.height);
  const std::array<Index, 3> colours = image.colours();
  const auto length = static_cast<std::size_t>(3 * size.width);
  struct Row {
    Index y = -1;
    std::vector<std::int32_t> values;  // (width, 3)
  };
  std::array<Row, 2> rows;  // those that were resized across last
  const auto resized_across = [&](Index y, const Row& keep) -> const Row& {
    for (const Row& row : rows) {
      if (row.y == y) return row;
    }
    Row& row = &rows[0] == &keep ? rows[1] : rows[0];
    row.y = y;
    row.values.resize(length);
    std::int32_t* to = row.values.data();
    for (const detail::OpencvTap& tap : across) {
      const std::uint8_t* const first = image.row(y) + tap.first * image.channels;
      const std::uint8_t* const second = image.row(y) + tap.second * image.channels;
      for (const Index c : colours) *to++ = first[c] * tap.first_weight + second[c] * tap.second_weight;
    }
    return row;
  };
  Image result(size.height, size.width);
  std::uint8_t* out = result.data();
  for (const detail::OpencvTap& tap : down) {
    const Row& above = resized_across(tap.first, rows[1]);
    const Row& below = resized_across(tap.second, above);
    for (std::size_t i = 0; i < length; ++i) {
      const std::int32_t sum =
          ((above.values[i] >> 4) * tap.first_weight >> 16) + ((below.values[i] >> 4) * tap.second_weight >> 16);
      *out++ = static_cast<std::uint8_t>((sum + 2) >> 2);
    }
  }
  return result;
}

}  // namespace beit::inline BEIT_ABI
