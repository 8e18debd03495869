// The definition of load_tokenizer.
#pragma once

#include <optional>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/dvae_config_reader.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/load_impl.hpp>
#include <beit/model/resampled_weights.hpp>
#include <beit/model/tokenizer.hpp>
#include <beit/model/vq_config_reader.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

BEIT_COLD BEIT_INLINE std::optional<WeightScope> Loading::half(const char* name, bool wanted) const {
  const WeightScope weights = reader_.root(executor_).scope(name);
  if (!wanted) reader_.ignore(weights.path(""));
  return wanted && weights.scope("blocks").has("input.w") ? std::optional(weights) : std::nullopt;
}

BEIT_COLD BEIT_INLINE void Loading::read_tokenizer_preprocessing(Preprocessing& preprocessing) const {
  if (const JsonField f = config()["input_size"]; f.present()) preprocessing.input_size = read_input_size(f, 3);
  read_preprocessing(config(), 3, preprocessing);
  read_pass_order(config(), preprocessing);
}

BEIT_COLD BEIT_INLINE void Loading::fit_tokenizer(Size patch, Preprocessing& preprocessing) const {
  const Size size = wanted_image_size(patch, "the pixels per token");
  if (size != Size{}) preprocessing.input_size = size;
  set_preprocessing(preprocessing.input_size, preprocessing);
}

template <typename Weight>
BEIT_COLD DvaeTokenizer<Weight> Loading::make_dvae_tokenizer() const {
  const Kernels& kernels = choose_kernels(options_.isa);
  std::optional<DvaeEncoder<Weight>> encoder;
  std::optional<DvaeDecoder<Weight>> decoder;
  if (const auto weights = half("encoder", options_.encoder)) {
    encoder.emplace(read_encoder_config(weights->scope("blocks")), *weights, kernels);
  }
  if (const auto weights = half("decoder", options_.decoder)) {
    decoder.emplace(read_decoder_config(weights->scope("blocks")), *weights, kernels);
  }
  reader_.finish();
  const Index stride = encoder ? encoder->config().stride() : decoder ? decoder->config().stride() : 1;
  // BEiT uses DALL-E's encoder with the crop that the model sees, at half its size.
  Preprocessing preprocessing{.input_size = {112, 112},
                              .interpolation = Interpolation::lanczos,
                              .crop_pct = 1.0,
                              .mean = {0.0f, 0.0f, 0.0f},
                              .std = {1.0f, 1.0f, 1.0f}};
  read_tokenizer_preprocessing(preprocessing);
  fit_tokenizer({stride, stride}, preprocessing);
  return {std::move(preprocessing), std::move(encoder), std::move(decoder), executor_};
}

template <typename Weight>
BEIT_COLD VqTokenizer<Weight> Loading::make_vq_tokenizer() const {
  const Kernels& kernels = choose_kernels(options_.isa);
  const WeightScope file = reader_.root(executor_);
  VqTransformerConfig encoding = read_vq_half(file, "encoder", "encode_task_layer", config());
  encoding.preprocessing = vq_preprocessing();
  if (encoding.image_size.area() > 0) encoding.preprocessing.input_size = encoding.image_size;
  read_tokenizer_preprocessing(encoding.preprocessing);
  encoding.image_size = encoding.preprocessing.input_size;
  encoding.check();
  const Size trained = encoding.grid();
  fit_tokenizer(encoding.patch_size, encoding.preprocessing);
  encoding.image_size = encoding.preprocessing.input_size;
  const Size grid = encoding.grid();
  const ResampledWeights resampled(reader_, trained, grid, Resampling::dino);
  const WeightScope weights = resampled.root(executor_);

  const WeightScope embedding = file.scope("quantize.embedding");
  const auto [vocab_size, code_dim] = read_codebook_shape(embedding);
  Codebook codebook(kernels, embedding, vocab_size, code_dim);
  std::optional<VqTransformer<Weight>> encoder, decoder;
  if (options_.encoder) {
    encoding.in_chans = 3;
    encoding.outputs = code_dim;
    encoder.emplace(encoding, weights.scope("encoder"), weights.scope("encode_task_layer"), kernels);
  }
  if (options_.decoder && file.has("decoder.patch_embed.proj.weight")) {
    VqTransformerConfig decoding = read_vq_half(file, "decoder", "decode_task_layer", config());
    decoding.in_chans = code_dim;
    decoding.patch_size = {1, 1};
    decoding.image_size = decoding.preprocessing.input_size = grid;
    decoder.emplace(std::move(decoding), weights.scope("decoder"), weights.scope("decode_task_layer"), kernels);
  }
  for (const char* const training : {"quantize.cluster_size", "quantize.embedding."}) reader_.ignore(training);
  for (const char* const part : {"encoder.", "encode_task_layer."}) {
    if (!options_.encoder) reader_.ignore(part);
  }
  for (const char* const part : {"decoder.", "decode_task_layer."}) {
    if (!options_.decoder) reader_.ignore(part);
  }
  reader_.finish();
  return {std::move(encoding.preprocessing),
          encoding.patch_size,
          std::move(codebook),
          std::move(encoder),
          std::move(decoder),
          executor_};
}

}  // namespace detail

template <typename Weight>
Tokenizer<Weight> load_tokenizer(const Source& source, const LoadOptions& options) {
  return detail::Loading("load_tokenizer", source, options).make_tokenizer<Weight>();
}

}  // namespace beit::inline BEIT_ABI
