// Some lines of a convolution's input, with the zeros that surround it.
#pragma once

#include <algorithm>

#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Lines of x of the size (H, W), around which `padding` lines and columns are zeros.
struct PaddedLines {
  Size size;           ///< (H, W).
  Index channels;      ///< Floats of a pixel.
  Index padding;       ///< Columns of zeros to the left; to the right there are as many as fill a line.
  Index first, lines;  ///< The lines [first, first + lines) of x; those beyond its edges are zeros.
  Index pixels;        ///< The pixels of a line, at least W + padding.

  Index line() const { return pixels * channels; }  ///< Floats from one line to the next.
};

/// Writes the lines to out, (lines, pixels, channels). read_line(Index y, float* line) writes line y of x, (W,
/// channels).
template <typename ReadLine>
void read_padded(const PaddedLines& padded, const ReadLine& read_line, const Executor& executor, float* out) {
  const Index line = padded.line(), left = padded.padding * padded.channels;
  const Index right = left + padded.size.width * padded.channels;
  executor.for_each(padded.lines, [&](Index i, Index) {
    const Index y = padded.first + i;
    float* const to = out + i * line;
    if (y < 0 || y >= padded.size.height) {
      std::fill_n(to, line, 0.0f);
    } else {
      std::fill_n(to, left, 0.0f);
      read_line(y, to + left);
      std::fill(to + right, to + line, 0.0f);
    }
  });
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
