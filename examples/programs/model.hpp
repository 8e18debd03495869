// The model that the programs run, compiled once for all of them.
#pragma once

#include <string>
#include <string_view>

#include <beit/beit.hpp>
#include <beit/model/any_beit.hpp>

namespace programs {

/// The model at `path`, or the embedded one where that is empty, in the precision of that name, loaded on the threads
/// of `executor`. For images of `image_size`; 0 x 0: of the size that it was trained for.
beit::AnyBeit load_model(const std::string& path, std::string_view precision, const beit::Executor& executor,
                         beit::Size image_size = {});

/// The level of kernels that runs: "avx2".
std::string_view kernels_name();

}  // namespace programs
