// The tokenizer that the programs run, compiled once for all of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <beit/beit.hpp>

namespace programs {

/// The encoder of the tokenizer at `path`, or of the demo tokenizer if the path is empty, in the precision of that
/// name, loaded on the threads of `executor`, for images of `image_size`; 0 x 0: the size that the file says.
/// ConfigError if the file has no encoder.
std::unique_ptr<const beit::AnyTokenizer> load_token_encoder(const std::string& path, std::string_view precision,
                                                             const beit::Executor& executor, beit::Size image_size);

}  // namespace programs
