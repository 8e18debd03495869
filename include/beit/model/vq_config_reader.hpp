// Infers the configuration of BEiT v2's tokenizer from the shapes of its parameters.
#pragma once

#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/transform.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/trunk_shapes.hpp>
#include <beit/model/vq_transformer.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The preprocessing of the published tokenizer: the shorter side to 256 pixels, the centre of 224, values from -1
/// to 1.
BEIT_COLD inline Preprocessing vq_preprocessing() {
  return {.input_size = {224, 224},
          .interpolation = Interpolation::bicubic,
          .crop_pct = 0.875,
          .mean = {0.5f, 0.5f, 0.5f},
          .std = {0.5f, 0.5f, 0.5f}};
}

/// The configuration of the half of the tokenizer `file` whose trunk is below `trunk` and whose last products are below
/// `task`. The heads are num_heads of `json`, or as in the published files a head per 64 numbers. The image size is 0 x
/// 0 if the positions don't form a square. ConfigError if the number of heads is unknown.
BEIT_COLD inline VqTransformerConfig read_vq_half(const WeightScope& file, const char* trunk, const char* task,
                                                  const JsonField& json) {
  const WeightScope weights = file.scope(trunk);
  VqTransformerConfig config{infer_from_shapes(weights)};
  config.use_fc_norm = true;
  config.outputs = shape_of_rank(file.scope(task), "2.weight", 2)[0];  // (outputs, C)
  if (const JsonField heads = json["num_heads"]; heads.present()) {
    config.num_heads = heads.integer();
  } else if (config.num_heads == 0 && config.embed_dim % 64 == 0) {
    config.num_heads = config.embed_dim / 64;
  } else if (config.num_heads == 0) {
    throw ConfigError(concat({json.where(), ": found no num_heads, wanted one, because the width ", config.embed_dim,
                              " of the ", trunk, " isn't a multiple of 64"}));
  }
  return config;
}

/// V and D of the codes (V, D), "weight" of `embedding`. WeightError unless there are 1 to 2^24 codes that aren't
/// empty.
BEIT_COLD inline std::pair<Index, Index> read_codebook_shape(const WeightScope& embedding) {
  const std::vector<Index> shape = shape_of_rank(embedding, "weight", 2);
  if (shape[0] >= 1 && shape[0] <= Index{1} << 24 && shape[1] >= 1) return {shape[0], shape[1]};
  throw WeightError(concat({embedding.where("weight"), ": found shape ", shape_text(shape),
                            ", wanted 1 to 16777216 codes of at least 1 number"}));
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
