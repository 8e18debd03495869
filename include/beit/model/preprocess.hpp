// From photographs to the input of a model.
#pragma once

#include <concepts>
#include <ranges>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// std::vector<Image>, std::span<const ImageView>, std::array ...
template <typename T>
concept ImageRange = std::ranges::contiguous_range<T> && std::ranges::sized_range<T> &&
    std::convertible_to<std::ranges::range_reference_t<T>, ImageView>;

/// Images as timm's eval transform makes them: (B, 3*H*W), planes of red, green and blue.
template <ImageRange Images>
Matrix preprocess(const Preprocessing& preprocessing, const Images& images, Workspace& workspace) {
  Matrix x(static_cast<Index>(std::ranges::size(images)), 3 * preprocessing.input_size.area());
  workspace.executor().for_each(
      x.rows(), [&](Index b, Index) { preprocess(preprocessing, std::ranges::data(images)[b], x.row(b)); });
  return x;
}

/// The input for images of the model that `config` is of: (B, in_chans*H*W).
template <ImageRange Images>
Matrix preprocess(const TrunkConfig& config, const Images& images, Workspace& workspace) {
  if (config.in_chans != 3) {
    throw ArgumentError(detail::concat(
        {"preprocess: the model takes ", config.in_chans, " channels, wanted 3: photographs are red, green and blue"}));
  }
  return preprocess(config.preprocessing, images, workspace);
}

}  // namespace beit::inline BEIT_ABI
