// Loads the model that a program runs; compiled once for all programs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <beit/beit.hpp>
#include <beit/model/load_any.hpp>

namespace programs {

/// The options that say which model a program runs, and how.
struct ModelOptions {
  std::string model;                // empty: the demo model
  std::string precision = "float";  // the name of a beit::Precision
  beit::Size image_size;            // 0 x 0: the model's
  std::string preprocessing;        // a JSON file that replaces the model's preprocessing; empty: none
  std::string labels;               // a file with the names of the classes; empty: the model's
  std::string pass_order;           // the name of a beit::PassOrder, which replaces the model's; empty: none
  bool quiet = false;               // whether standard error gets errors alone, without notes and progress

  /// The options of beit::load_any and its kin, to load on the threads of `executor`. Throws beit::FileError or
  /// beit::ConfigError if the file of the preprocessing can't be read.
  beit::LoadOptions load_options(const beit::Executor& executor) const;
};

/// The key in JSON that says, if it is there, that the demo model was at work.
inline constexpr const char* demo_key = "demo_model";
/// The key in JSON that says, if it is there, in what an image differs from those that the demo model learned from.
inline constexpr const char* unlike_demo_key = "unlike_demo_model";

/// Loads the model, on the threads of `executor`.
std::unique_ptr<const beit::AnyBeit> load_model(const ModelOptions& options, const beit::Executor& executor);

/// Loads a model as load_model does, for its features alone: of a file with another head than a classifier its trunk,
/// which a note on standard error says. `program` begins that line.
std::unique_ptr<const beit::AnyBeit> load_features(const std::string& program, const ModelOptions& options,
                                                   const beit::Executor& executor);

/// The level of kernels in use, for example "avx2".
std::string_view kernels_name();

}  // namespace programs
