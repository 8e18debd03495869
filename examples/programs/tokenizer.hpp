// The tokenizer that the programs run: in any precision, and compiled once for all of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <beit/beit.hpp>

namespace programs {

/// A beit::Tokenizer's encoder whose weight type is chosen at run time.
class TokenEncoder {
 public:
  virtual ~TokenEncoder() = default;
  virtual const beit::Preprocessing& preprocessing() const = 0;
  /// Tokens down and across.
  virtual beit::Size grid() const = 0;
  /// x (B, 3*H*W) -> the tokens, as numbers (B, h*w).
  virtual beit::Matrix encode(const beit::ConstRows& x, beit::Workspace& workspace) const = 0;
};

/// The encoder at `path`, or the embedded one where that is empty, loaded on the threads of `executor`. For images of
/// `image_size`, 0 x 0: of the size that the file says.
std::unique_ptr<const TokenEncoder> load_token_encoder(const std::string& path, std::string_view precision,
                                                       const beit::Executor& executor, beit::Size image_size);

}  // namespace programs
