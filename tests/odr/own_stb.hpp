// The part of the program that has its own stb_image, and takes and returns beit's types.
#pragma once

#include <beit/core/matrix.hpp>
#include <beit/image/image.hpp>

/// Decodes an image by the program's stb_image.
beit::Image decode_by_own_stb(const char* path);

/// Returns twice the matrix.
beit::Matrix doubled(beit::Matrix x);
