// What the two halves of DALL-E's discrete VAE are made from.
#pragma once

#include <string>
#include <vector>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config_reader.hpp>

namespace beit::inline BEIT_ABI {

/// What dall_e.Encoder and dall_e.Decoder are made from, under their names; the defaults are those of the published
/// files. Images have three channels.
struct DvaeConfig {
  Index group_count = 4;      ///< Between them the size is halved, or doubled.
  Index n_blk_per_group = 2;  ///< Blocks.
  Index n_hid = 256;          ///< Channels at the images' size; twice as many at half of it ... A multiple of 4.
  Index n_init = 128;         ///< The decoder's channels of a token.
  Index vocab_size = 8192;    ///< V: visual tokens.

  /// Pixels of an image's side to a token.
  Index stride() const { return Index{1} << (group_count - 1); }
  /// Of a block's residual path.
  float residual_scale() const {
    const float blocks = static_cast<float>(group_count * n_blk_per_group);
    return 1 / (blocks * blocks);
  }

  /// Channels at the images' size, at half of it, and so on: (group_count,).
  std::vector<Index> widths() const {
    std::vector<Index> widths;
    for (Index i = 0; i < group_count; ++i) widths.push_back(n_hid << i);
    return widths;
  }

  /// This; ConfigError unless a model can be made of it.
  const DvaeConfig& checked() const {
    for (const auto& [name, value, least, most] :
         {Field{"group_count", group_count, 1, 16}, Field{"n_blk_per_group", n_blk_per_group, 1, 1024},
          Field{"n_hid", n_hid, 4, 65536}, Field{"n_init", n_init, 1, 65536},
          Field{"vocab_size", vocab_size, 1, Index{1} << 24}}) {
      if (value >= least && value <= most) continue;
      throw ConfigError(std::string("dVAE: found ") + name + " " + std::to_string(value) + ", wanted " +
                        std::to_string(least) + " to " + std::to_string(most));
    }
    if (n_hid % 4 != 0) throw ConfigError("dVAE: found n_hid " + std::to_string(n_hid) + ", wanted a multiple of 4");
    return *this;
  }

 private:
  struct Field {
    const char* name;
    Index value, least, most;
  };
};

namespace detail {

/// "group_1", "block_2", of which the first is 1.
inline std::string numbered(const char* name, Index number) {
  return std::string(name).append("_").append(std::to_string(number));
}

/// Of either half, whose parameters are below `blocks`: as many groups and blocks as there are in a row.
inline DvaeConfig count_dvae_blocks(const WeightScope& blocks) {
  DvaeConfig config{.group_count = 0, .n_blk_per_group = 0};
  const auto has = [&](Index group, Index block) {
    return blocks.scope(numbered("group", group)).scope(numbered("block", block)).has("res_path.conv_1.w");
  };
  while (has(config.group_count + 1, 1)) ++config.group_count;
  while (has(1, config.n_blk_per_group + 1)) ++config.n_blk_per_group;
  return config;
}

/// What the shapes of an encoder's parameters say.
inline DvaeConfig read_encoder_config(const WeightScope& blocks) {
  DvaeConfig config = count_dvae_blocks(blocks);
  config.n_hid = shape_of_rank(blocks, "input.w", 4)[0];             // (n_hid, 3, 7, 7)
  config.vocab_size = shape_of_rank(blocks, "output.conv.w", 4)[0];  // (V, .., 1, 1)
  return config;
}

/// What the shapes of a decoder's parameters say.
inline DvaeConfig read_decoder_config(const WeightScope& blocks) {
  DvaeConfig config = count_dvae_blocks(blocks);
  const std::vector<Index> input = shape_of_rank(blocks, "input.w", 4);  // (n_init, V, 1, 1)
  config.n_init = input[0];
  config.vocab_size = input[1];
  config.n_hid = shape_of_rank(blocks, "output.conv.w", 4)[1];  // (6, n_hid, 1, 1)
  return config;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
