#include "model.hpp"

#include "demo_model.hpp"
#include "paths.hpp"

namespace programs {

beit::AnyBeit load_model(const std::string& path, std::string_view precision, const beit::Executor& executor,
                         beit::Size image_size) {
  const beit::LoadOptions options{.image_size = image_size};
  const beit::Precision wanted = beit::precision_from_name(precision);
  return path.empty() ? beit::load(demo_model(), "embedded model", wanted, options, executor)
                      : beit::load(path_of(path), wanted, options, executor);
}

std::string_view kernels_name() { return beit::isa_name(beit::default_kernels().isa); }

}  // namespace programs
