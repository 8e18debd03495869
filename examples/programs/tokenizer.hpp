// Loads the tokenizer that a program runs, in any precision; compiled once for all programs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

/// A beit::Tokenizer's encoder whose weight type is chosen at run time.
class TokenEncoder {
 public:
  virtual ~TokenEncoder() = default;
  virtual const beit::Preprocessing& preprocessing() const = 0;
  /// Number of tokens down and across.
  virtual beit::Size grid() const = 0;
  /// Encodes x (B, H*W*3) as tokens (B*h*w,).
  virtual std::vector<std::int32_t> encode(const beit::ConstRows& x, beit::Workspace& workspace) const = 0;
};

/// Loads the encoder at `path`, or the demo tokenizer's if that is empty, on the threads of `executor`. An `image_size`
/// of 0 x 0 means the size that the file gives.
std::unique_ptr<const TokenEncoder> load_token_encoder(const std::string& path, std::string_view precision,
                                                       const beit::Executor& executor, beit::Size image_size);

}  // namespace programs
