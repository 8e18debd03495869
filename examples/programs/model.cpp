#include "model.hpp"

#include <iostream>

#include <beit/core/regular_file.hpp>
#include <beit/io/json.hpp>
#include <beit/model/labels.hpp>
#include <beit/model/preprocessing_file.hpp>

#include "demo_model.hpp"
#include "output.hpp"
#include "paths.hpp"

namespace programs {

namespace {

beit::Source source_of(const ModelOptions& options) {
  return options.model.empty() ? beit::Source(beit::MemoryFiles{demo_model(), "demo model"})
                               : beit::Source(path_of(options.model));
}

}  // namespace

beit::LoadOptions ModelOptions::load_options(const beit::Executor& executor) const {
  beit::LoadOptions result{
      .image_size = image_size, .executor = executor, .precision = beit::precision_from_name(precision)};
  if (!preprocessing.empty()) {
    const std::string text(beit::RegularFile(path_of(preprocessing)).read().text());
    result.preprocessing = beit::preprocessing_from_json(beit::parse_json(text, preprocessing), preprocessing,
                                                         &result.preprocessing_where);
  }
  if (!labels.empty()) result.labels = beit::read_labels(path_of(labels));
  if (!pass_order.empty()) result.pass_order = beit::pass_order_from_name(pass_order);
  return result;
}

std::unique_ptr<const beit::AnyBeit> load_model(const ModelOptions& options, const beit::Executor& executor) {
  return beit::load_any(source_of(options), options.load_options(executor));
}

std::unique_ptr<const beit::AnyBeit> load_features(const std::string& program, const ModelOptions& options,
                                                   const beit::Executor& executor) {
  const beit::SourceKind kind = beit::inspect(source_of(options));
  beit::LoadOptions load = options.load_options(executor);
  load.features_only = kind.trunk && kind.loader != "load";
  if (load.features_only && !options.quiet) {
    std::cerr << one_line(program + ": " + options.model + ": found " + std::string(kind.name) +
                          ": taking the features of its trunk")
              << '\n';
  }
  return beit::load_any(source_of(options), load);
}

std::string_view kernels_name() { return beit::isa_name(beit::default_kernels().isa); }

}  // namespace programs
