// The demo of pre-training, a masked-image model that beit-mask uses if the user names none.
#pragma once

#include <cstddef>
#include <span>

namespace programs {

/// The bytes of examples/data/masked_fashion_mnist.safetensors; the build makes the source (cmake/embed_model.cmake).
std::span<const std::byte> demo_masked_model();

}  // namespace programs
