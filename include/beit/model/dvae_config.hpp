// The configuration of the two halves of DALL-E's discrete VAE.
#pragma once

#include <string>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The arguments of dall_e.Encoder and dall_e.Decoder, under the same names; the defaults are those of the published
/// files. Images have three channels.
struct DvaeConfig {
  Index group_count = 4;      ///< Number of groups; the size is halved, or doubled, between groups.
  Index n_blk_per_group = 2;  ///< Blocks per group.
  Index n_hid = 256;   ///< Channels at the images' size, a multiple of 4; twice as many at half the size, and so on.
  Index n_init = 128;  ///< Channels of a token in the decoder.
  Index vocab_size = 8192;  ///< V, the number of visual tokens.

  /// The side of a token in pixels of the image.
  Index stride() const { return Index{1} << (group_count - 1); }
  /// The factor of each block's residual path.
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

  /// Throws ConfigError unless a model can be made of this.
  void check() const {
    for (const auto& [name, value, least, most] :
         {Field{"group_count", group_count, 1, 16}, Field{"n_blk_per_group", n_blk_per_group, 1, 1024},
          Field{"n_hid", n_hid, 4, 65536}, Field{"n_init", n_init, 1, 65536},
          Field{"vocab_size", vocab_size, 1, Index{1} << 24}}) {
      if (value >= least && value <= most) continue;
      throw ConfigError(detail::concat({"dVAE: found ", name, " ", value, ", wanted ", least, " to ", most}));
    }
    if (n_hid % 4 != 0) throw ConfigError(detail::concat({"dVAE: found n_hid ", n_hid, ", wanted a multiple of 4"}));
  }

 private:
  struct Field {
    const char* name;
    Index value, least, most;
  };
};

namespace detail {

/// Returns a name such as "group_1" or "block_2"; numbers begin at 1.
inline std::string numbered(const char* name, Index number) {
  return std::string(name).append("_").append(std::to_string(number));
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
