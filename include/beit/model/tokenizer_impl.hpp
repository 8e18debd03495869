// How a tokenizer is made of its file.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/compiled.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/io/json.hpp>
#include <beit/io/safetensors.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/dvae_config.hpp>
#include <beit/model/dvae_decoder.hpp>
#include <beit/model/dvae_encoder.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/preprocess.hpp>
#include <beit/model/tokenizer.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

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

template <typename Weight>
Tokenizer<Weight> tokenizer_from(const SafeTensors& file, const TokenizerOptions& options, const Executor& executor) {
  const WeightReader reader(file);
  const auto below = [&](const char* half) { return reader.root(executor).scope(half).scope("blocks"); };
  const bool encoder = below("encoder").has("input.w"), decoder = below("decoder").has("input.w");
  if (!encoder && !decoder) {
    throw WeightError(file.name() +
                      ": found neither encoder.blocks.input.w nor decoder.blocks.input.w, wanted a "
                      "tokenizer: weights_tools/convert_tokenizer.py makes one of DALL-E's files");
  }
  // What DALL-E's encoder is used with: the crop that the model sees, at half its size.
  Preprocessing preprocessing{.input_size = {112, 112},
                              .interpolation = Interpolation::lanczos,
                              .crop_pct = 1.0,
                              .mean = {0.0f, 0.0f, 0.0f},
                              .std = {1.0f, 1.0f, 1.0f}};
  if (const auto found = file.metadata().find("beit.config"); found != file.metadata().end()) {
    const std::string where = file.name() + ": beit.config";
    const nlohmann::json json = parse_json(found->second, where);
    read_preprocessing(JsonField(json, where), 3, preprocessing);
  }
  std::optional<DvaeEncoder<Weight>> in;
  std::optional<DvaeDecoder<Weight>> out;
  if (!options.encoder) reader.ignore("encoder.");
  if (!options.decoder) reader.ignore("decoder.");
  const WeightScope root = reader.root(executor);
  const Kernels& kernels = choose_kernels(options.isa);
  if (encoder && options.encoder) in.emplace(read_encoder_config(below("encoder")), root.scope("encoder"), kernels);
  if (decoder && options.decoder) out.emplace(read_decoder_config(below("decoder")), root.scope("decoder"), kernels);
  reader.finish();
  if (options.image_size != Size{}) preprocessing.input_size = options.image_size;
  if (options.grid != Size{} && (in || out)) {
    const Index stride = in ? in->config().stride() : out->config().stride();
    preprocessing.input_size = {options.grid.height * stride, options.grid.width * stride};
  }
  return {std::move(preprocessing), std::move(in), std::move(out)};
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
