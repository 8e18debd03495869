// The font for the text in the programs' pictures.
#pragma once

#include <cstddef>
#include <span>

namespace programs {

/// The bytes of examples/data/lettering.ttf; the build makes the source (cmake/embed_model.cmake).
std::span<const std::byte> lettering();

}  // namespace programs
