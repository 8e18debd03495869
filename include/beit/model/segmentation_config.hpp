// The configuration of a segmentation model, and the two ways in which its publishers use it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/enum_names.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/ade20k.hpp>
#include <beit/model/config.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {
/// The largest side of a map in pyramid pooling; published models have 6.
inline constexpr Index max_pool_scale = 64;
}  // namespace detail

/// The two ways in which the publishers run a segmentation model with the same weights. They give different labels.
enum class SegmentationRule {
  /// Hugging Face's: BeitForSemanticSegmentation and BeitImageProcessor. The image is squashed to the model's size and
  /// passes once. The head reads the tokens after out_indices - 1 blocks (2, 4, 6 and 10 of 12).
  transformers,
  /// Microsoft's, by mmsegmentation: the image keeps its ratio and passes in overlapping windows, whose logits are
  /// averaged. The head reads the tokens after out_indices + 1 blocks (4, 6, 8 and 12 of 12), with which the published
  /// weights were trained.
  microsoft,
};

/// Both rules.
inline constexpr SegmentationRule segmentation_rules[] = {SegmentationRule::transformers, SegmentationRule::microsoft};

/// The name of a rule: "transformers" or "microsoft".
constexpr std::string_view segmentation_rule_name(SegmentationRule rule) {
  constexpr std::string_view names[] = {"transformers", "microsoft"};
  return names[static_cast<int>(rule)];
}

/// The rule of that name. ArgumentError, which lists the names, if there is none.
inline SegmentationRule segmentation_rule_from_name(std::string_view name) {
  return detail::from_name("segmentation rule", name, segmentation_rules, segmentation_rule_name);
}

/// Returns `count` different colours: for 150 classes ADE20K's, else the first of PASCAL VOC's colour map, which begins
/// with black.
[[nodiscard]] BEIT_COLD inline std::vector<Colour> default_palette(Index count) {
  std::vector<Colour> palette(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < palette.size(); ++i) {
    // The bits of the number become the highest bits of red, green and blue in turn.
    for (std::size_t bit = 0; bit < 24; ++bit) {
      palette[i][bit % 3] = static_cast<std::uint8_t>(palette[i][bit % 3] | ((i >> bit & 1) << (7 - bit / 3)));
    }
    if (palette.size() == detail::ade20k_classes.size()) palette[i] = detail::ade20k_classes[i].colour;
  }
  return palette;
}

/// The configuration of a SegmentationModel: a trunk, and a UPerNet head on the tokens after four of its blocks.
struct SegmentationConfig : TrunkConfig {
  Index num_classes = 150;  ///< K, at most 65536.
  /// The blocks that feed the head, as the files have them. Which blocks they mean depends on the rule: blocks().
  std::array<Index, 4> out_indices{3, 5, 7, 11};
  std::vector<Index> pool_scales{1, 2, 3, 6};  ///< The sides of the maps in pyramid pooling, in pixels, 1 to 64.
  Index channels = 768;  ///< Channels of the decode head, as many as embed_dim in published models.
  /// The names of the K classes, or none.
  std::vector<std::string> labels{};
  std::vector<Colour> palette = default_palette(150);  ///< The colours of the K classes in pictures.
  /// The rule that is followed if none is chosen: transformers for its folders, microsoft for other files.
  SegmentationRule rule = SegmentationRule::transformers;

  /// The size of the logits of one pass: four times the grid of patches, a quarter of the image for patches of 16.
  [[nodiscard]] Size logits_size() const { return {4 * grid().height, 4 * grid().width}; }
  /// The numbers of blocks after which the head reads the tokens, ascending; 0 stands for the embeddings.
  [[nodiscard]] std::array<Index, 4> blocks(SegmentationRule wanted) const {
    std::array<Index, 4> result = out_indices;
    for (Index& i : result) i += wanted == SegmentationRule::microsoft ? 1 : -1;
    return result;
  }
  /// Whether the model has the blocks that the head reads by a rule.
  [[nodiscard]] bool has_blocks(SegmentationRule wanted) const { return blocks(wanted).back() <= depth; }
  /// The preprocessing of a rule: that of the file for its own rule, else the one with which the rule's publisher runs
  /// the published models. Of Microsoft's, only the mean and the deviation count.
  [[nodiscard]] Preprocessing preprocessing_for(SegmentationRule wanted) const {
    return wanted == rule ? preprocessing : published_preprocessing(wanted, image_size);
  }
  /// The preprocessing of published models of this size: squashed; by Hugging Face with a mean and deviation of 0.5
  /// and bicubic, by Microsoft with ImageNet's mean and deviation and bilinear.
  [[nodiscard]] BEIT_COLD static Preprocessing published_preprocessing(SegmentationRule rule, Size size) {
    Preprocessing result{.input_size = size, .crop_pct = 1, .crop_mode = CropMode::squash};
    if (rule == SegmentationRule::transformers) return result;
    result.interpolation = Interpolation::bilinear;
    result.mean = {0.485f, 0.456f, 0.406f};
    result.std = {0.229f, 0.224f, 0.225f};
    return result;
  }

  /// Throws ConfigError unless a model can be made of this.
  BEIT_COLD void check() const {
    TrunkConfig::check();
    const auto fail = [](std::string_view found, std::string_view wanted) {
      throw ConfigError(detail::concat({"config: found ", found, ", wanted ", wanted}));
    };
    if (num_classes < 1 || num_classes > 65536) fail(detail::concat({"num_classes ", num_classes}), "1 to 65536");
    if (channels < 1) fail(detail::concat({"channels ", channels}), "at least 1");
    if (grid().height < 2 || grid().width < 2) {
      fail(detail::concat({"a grid of ", detail::size_text(grid()), " patches"}),
           "at least 2x2 for a segmentation head");
    }
    Index least = 1;
    for (const Index i : out_indices) {
      if (i < least || i > depth) {
        fail(detail::concat(
                 {"out_indices ", out_indices[0], ", ", out_indices[1], ", ", out_indices[2], " and ", out_indices[3]}),
             detail::concat({"four ascending numbers from 1 to the depth ", depth}));
      }
      least = i + 1;
    }
    if (!has_blocks(rule)) {
      fail(detail::concat(
               {"the rule ", segmentation_rule_name(rule), ", which reads block ", blocks(rule).back(), " of ", depth}),
           segmentation_rule_name(SegmentationRule::transformers));
    }
    for (const Index scale : pool_scales) {
      if (scale < 1 || scale > detail::max_pool_scale) {
        fail(detail::concat({"the pool scale ", scale}), detail::concat({"1 to ", detail::max_pool_scale}));
      }
    }
    const auto count = static_cast<std::size_t>(num_classes);
    if (!labels.empty() && labels.size() != count) {
      fail(detail::concat({labels.size(), " labels"}), detail::concat({"num_classes ", num_classes}));
    }
    if (palette.size() != count) {
      fail(detail::concat({palette.size(), " colours"}), detail::concat({"num_classes ", num_classes}));
    }
  }
};

}  // namespace beit::inline BEIT_ABI
