// The groups of blocks in either half of DALL-E's discrete VAE.
#pragma once

#include <iterator>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/dvae_config.hpp>
#include <beit/nn/dvae_block.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

template <typename Weight>
using DvaeGroups = std::vector<std::vector<DvaeBlock<Weight>>>;

/// Reads "group_1" and so on below `blocks`: one group for each of `widths`; the first group's input has `channels`.
template <typename Weight>
DvaeGroups<Weight> read_dvae_groups(const Kernels& kernels, const WeightScope& blocks, const DvaeConfig& config,
                                    Index channels, const std::vector<Index>& widths,
                                    typename DvaeBlock<Weight>::KernelSizes sizes) {
  DvaeGroups<Weight> groups;
  for (const Index width : widths) {
    const WeightScope group = blocks.scope(numbered("group", std::ssize(groups) + 1));
    groups.emplace_back();
    for (Index i = 0; i < config.n_blk_per_group; ++i, channels = width) {
      groups.back().emplace_back(kernels, group.scope(numbered("block", i + 1)), channels, width, sizes,
                                 config.residual_scale());
    }
  }
  return groups;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
