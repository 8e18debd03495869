// Infers a tokenizer's configuration from the shapes of its parameters.
#pragma once

#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/dvae_config.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The numbers of groups and blocks of an encoder or decoder whose parameters are below `blocks`.
BEIT_COLD inline DvaeConfig count_dvae_blocks(const WeightScope& blocks) {
  DvaeConfig config{.group_count = 0, .n_blk_per_group = 0};
  const auto has = [&](Index group, Index block) {
    return blocks.scope(numbered("group", group)).scope(numbered("block", block)).has("res_path.conv_1.w");
  };
  while (has(config.group_count + 1, 1)) ++config.group_count;
  while (has(1, config.n_blk_per_group + 1)) ++config.n_blk_per_group;
  return config;
}

/// The configuration of the encoder whose parameters are below `blocks`.
BEIT_COLD inline DvaeConfig read_encoder_config(const WeightScope& blocks) {
  DvaeConfig config = count_dvae_blocks(blocks);
  config.n_hid = shape_of_rank(blocks, "input.w", 4)[0];             // (n_hid, 3, 7, 7)
  config.vocab_size = shape_of_rank(blocks, "output.conv.w", 4)[0];  // (V, .., 1, 1)
  return config;
}

/// The configuration of the decoder whose parameters are below `blocks`.
BEIT_COLD inline DvaeConfig read_decoder_config(const WeightScope& blocks) {
  DvaeConfig config = count_dvae_blocks(blocks);
  const std::vector<Index> input = shape_of_rank(blocks, "input.w", 4);  // (n_init, V, 1, 1)
  config.n_init = input[0];
  config.vocab_size = input[1];
  config.n_hid = shape_of_rank(blocks, "output.conv.w", 4)[1];  // (6, n_hid, 1, 1)
  return config;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
