#include "tokenizer.hpp"
#include "paths.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "demo_tokenizer.hpp"

namespace programs {

namespace {

template <typename Weight>
class TokenEncoderOf final : public TokenEncoder {
 public:
  explicit TokenEncoderOf(beit::Tokenizer<Weight> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  const beit::Preprocessing& preprocessing() const override { return tokenizer_.preprocessing(); }
  beit::Size grid() const override { return tokenizer_.grid(); }
  std::vector<std::int32_t> encode(const beit::ConstRows& x, beit::Workspace& workspace) const override {
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(x.rows() * grid().area()));
    tokenizer_.encode(x, workspace, tokens);
    return tokens;
  }

 private:
  beit::Tokenizer<Weight> tokenizer_;
};

template <typename Weight>
std::unique_ptr<const TokenEncoder> load(const std::string& path, const beit::Executor& executor,
                                         beit::Size image_size) {
  const beit::Source source =
      path.empty() ? beit::Source(beit::MemoryFiles{demo_tokenizer(), "demo tokenizer"}) : beit::Source(path_of(path));
  auto tokenizer =
      beit::load_tokenizer<Weight>(source, {.image_size = image_size, .executor = executor, .decoder = false});
  tokenizer.encoder();  // throws if there is none
  return std::make_unique<TokenEncoderOf<Weight>>(std::move(tokenizer));
}

}  // namespace

std::unique_ptr<const TokenEncoder> load_token_encoder(const std::string& path, std::string_view precision,
                                                       const beit::Executor& executor, beit::Size image_size) {
  if (precision == beit::precision_name(beit::Precision::int8)) return load<std::int8_t>(path, executor, image_size);
  if (precision == beit::precision_name(beit::Precision::bfloat16)) {
    return load<Eigen::bfloat16>(path, executor, image_size);
  }
  if (precision == beit::precision_name(beit::Precision::float_fast)) {
    return load<beit::FloatFast>(path, executor, image_size);
  }
  return load<float>(path, executor, image_size);
}

}  // namespace programs
