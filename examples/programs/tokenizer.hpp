// The tokenizer that the programs run, compiled once for all of them.
#pragma once

#include <memory>

#include <beit/beit.hpp>

#include "model.hpp"

namespace programs {

/// The encoder of the tokenizer that `options` name, or of the demo tokenizer, loaded on the threads of `executor`.
/// ConfigError if the file has no encoder.
std::unique_ptr<const beit::AnyTokenizer> load_token_encoder(const ModelOptions& options,
                                                             const beit::Executor& executor);

}  // namespace programs
