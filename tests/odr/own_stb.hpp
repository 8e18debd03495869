// The part of the program that has an stb_image of its own, and takes and gives beit's types.
#pragma once

#include <beit/core/matrix.hpp>
#include <beit/image/image.hpp>

/// The image, decoded by the program's stb_image.
beit::Image decode_by_own_stb(const char* path);

/// Twice the matrix.
beit::Matrix doubled(beit::Matrix x);
