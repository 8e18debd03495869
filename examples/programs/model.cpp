#include "model.hpp"

#include "demo_model.hpp"
#include "paths.hpp"

namespace programs {

std::unique_ptr<const beit::AnyBeit> load_model(const std::string& path, std::string_view precision,
                                                const beit::Executor& executor, beit::Size image_size) {
  const beit::Source source =
      path.empty() ? beit::Source(beit::MemoryFiles{demo_model(), "demo model"}) : beit::Source(path_of(path));
  return beit::load_any(
      source, {.image_size = image_size, .executor = executor, .precision = beit::precision_from_name(precision)});
}

std::string_view kernels_name() { return beit::isa_name(beit::default_kernels().isa); }

}  // namespace programs
