// The demo tokenizer, which the programs use if the user names none.
#pragma once

#include <cstddef>
#include <span>

namespace programs {

/// The bytes of examples/data/dvae_fashion_mnist.safetensors; the build makes the source (cmake/embed_model.cmake).
std::span<const std::byte> demo_tokenizer();

}  // namespace programs
