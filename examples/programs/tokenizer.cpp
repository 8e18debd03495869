#include "tokenizer.hpp"

#include <beit/model/load_any.hpp>

#include "demo_tokenizer.hpp"
#include "paths.hpp"

namespace programs {

std::unique_ptr<const beit::AnyTokenizer> load_token_encoder(const std::string& path, std::string_view precision,
                                                             const beit::Executor& executor, beit::Size image_size) {
  const beit::Source source =
      path.empty() ? beit::Source(beit::MemoryFiles{demo_tokenizer(), "demo tokenizer"}) : beit::Source(path_of(path));
  return beit::load_any_tokenizer(source, {.image_size = image_size,
                                           .executor = executor,
                                           .precision = beit::precision_from_name(precision),
                                           .decoder = false});
}

}  // namespace programs
