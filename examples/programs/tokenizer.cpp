#include "tokenizer.hpp"

#include <beit/model/load_any.hpp>

#include "demo_tokenizer.hpp"
#include "paths.hpp"

namespace programs {

std::unique_ptr<const beit::AnyTokenizer> load_token_encoder(const ModelOptions& options,
                                                             const beit::Executor& executor) {
  const beit::Source source = options.model.empty()
                                  ? beit::Source(beit::MemoryFiles{demo_tokenizer(), "demo tokenizer"})
                                  : beit::Source(path_of(options.model));
  beit::LoadOptions load = options.load_options(executor);
  load.decoder = false;
  return beit::load_any_tokenizer(source, load);
}

}  // namespace programs
