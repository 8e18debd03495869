// Turns photographs into the input of a model.
#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <span>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A contiguous range of images: std::vector<Image>, std::span<const ImageView>, std::array ...
template <typename T>
concept ImageRange = std::ranges::contiguous_range<T> && std::ranges::sized_range<T> &&
    std::convertible_to<std::ranges::range_reference_t<T>, ImageView>;

/// Applies timm's eval transform to each image, in parallel: out (B, 3*H*W), one row per image in this layout. It
/// allocates nothing after the first images of a size. ArgumentError for a wrong shape of `out`.
template <ImageRange Images>
void preprocess(const Preprocessing& preprocessing, const Images& images, Workspace& workspace, Rows out,
                TensorLayout layout = TensorLayout::channels_first, const Kernels& kernels = default_kernels()) {
  require_shape(out, static_cast<Index>(std::ranges::size(images)), 3 * preprocessing.input_size.area(), "preprocess");
  workspace.executor().for_each(out.rows(), [&](Index b, Index slot) {
    const std::span<float> row(out.data() + b * out.outerStride(), static_cast<std::size_t>(out.cols()));
    preprocess(preprocessing, std::ranges::data(images)[b], row, layout, kernels, workspace.arena(slot));
  });
}

/// Applies timm's eval transform to each image and returns the result (B, 3*H*W).
template <ImageRange Images>
Matrix preprocess(const Preprocessing& preprocessing, const Images& images, Workspace& workspace,
                  TensorLayout layout = TensorLayout::channels_first, const Kernels& kernels = default_kernels()) {
  Matrix x(static_cast<Index>(std::ranges::size(images)), 3 * preprocessing.input_size.area());
  preprocess(preprocessing, images, workspace, x, layout, kernels);
  return x;
}

/// Turns images into the input of the model that `config` describes: (B, in_chans*H*W).
template <ImageRange Images>
Matrix preprocess(const TrunkConfig& config, const Images& images, Workspace& workspace,
                  const Kernels& kernels = default_kernels()) {
  if (config.in_chans != 3) {
    throw ArgumentError(detail::concat(
        {"preprocess: the model takes ", config.in_chans, " channels, wanted 3: photographs are red, green and blue"}));
  }
  return preprocess(config.preprocessing, images, workspace, TensorLayout::channels_first, kernels);
}

/// A model that takes images: Beit and its kin.
template <typename T>
concept ImageModel = requires(const T& model) {
  { model.config() } -> std::convertible_to<const TrunkConfig&>;
  { model.isa() } -> std::convertible_to<Isa>;
};

/// Turns images into the input of a model, on the model's kernels: (B, in_chans*H*W).
template <ImageModel Model, ImageRange Images>
Matrix preprocess(const Model& model, const Images& images, Workspace& workspace) {
  return preprocess(model.config(), images, workspace, kernels::kernels_of(model.isa()));
}

}  // namespace beit::inline BEIT_ABI
