#include "model.hpp"

#include <beit/core/mapped_file.hpp>
#include <beit/io/json.hpp>
#include <beit/model/preprocessing_file.hpp>

#include "demo_model.hpp"
#include "paths.hpp"

namespace programs {

beit::LoadOptions ModelOptions::load_options(const beit::Executor& executor) const {
  beit::LoadOptions result{
      .image_size = image_size, .executor = executor, .precision = beit::precision_from_name(precision)};
  if (!preprocessing.empty()) {
    const beit::MappedFile file(path_of(preprocessing));
    const std::string text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    result.preprocessing = beit::preprocessing_from_json(beit::parse_json(text, preprocessing), preprocessing);
  }
  return result;
}

std::unique_ptr<const beit::AnyBeit> load_model(const ModelOptions& options, const beit::Executor& executor) {
  const beit::Source source = options.model.empty() ? beit::Source(beit::MemoryFiles{demo_model(), "demo model"})
                                                    : beit::Source(path_of(options.model));
  return beit::load_any(source, options.load_options(executor));
}

std::string_view kernels_name() { return beit::isa_name(beit::default_kernels().isa); }

}  // namespace programs
