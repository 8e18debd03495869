// Loads the model that a program runs; compiled once for all programs.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <beit/beit.hpp>
#include <beit/model/load_any.hpp>

namespace programs {

/// Loads the model at `path`, or the demo model if that is empty, in the named precision, on the threads of `executor`.
/// An `image_size` of 0 x 0 means the size that the model was trained for.
std::unique_ptr<const beit::AnyBeit> load_model(const std::string& path, std::string_view precision,
                                                const beit::Executor& executor, beit::Size image_size = {});

/// The level of kernels in use, for example "avx2".
std::string_view kernels_name();

}  // namespace programs
