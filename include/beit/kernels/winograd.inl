// The transforms of Winograd's convolution, written once for every instruction set.
//
// This file doesn't compile alone. A level's header includes it inside its struct, after arithmetic.inl or what stands
// for it: `V` is the level's vector type, BEIT_TARGET its target attribute, and `finish` its epilogue.

/// F(m x m, 3 x 3).
template <Index m>
struct WinogradOf {
  using Floats = typename V::Floats;
  static constexpr Index size = m + 2;

  BEIT_TARGET static void input(const float* x, Index line, Index pixel, Index channels, bool relu, float* out,
                                Index stride) {
    relu ? input_of<true>(x, line, pixel, channels, out, stride)
         : input_of<false>(x, line, pixel, channels, out, stride);
  }

  BEIT_TARGET static void weights(const float* w, Index tap, Index channels, float* out, Index stride) {
    for (Index c = 0; c < channels; c += V::lanes) {
      Floats columns[static_cast<std::size_t>(size * 3)];  // G g
      for (Index j = 0; j < 3; ++j) {
        Floats g[3];
#pragma GCC unroll 8
        for (Index i = 0; i < 3; ++i) g[i] = load(w + (i * 3 + j) * tap + c, channels - c);
        multiply<1, size, 3>(g, columns + j, 3);
      }
      for (Index i = 0; i < size; ++i) {
        Floats u[static_cast<std::size_t>(size)];
        multiply<1, size, 3>(columns + i * 3, u, 1);
#pragma GCC unroll 8
        for (Index j = 0; j < size; ++j) store(out + (i * size + j) * stride + c, u[j], channels - c);
      }
    }
  }

  BEIT_TARGET static void output(const WinogradSums& sums, const WinogradOutput& to) {
    constexpr Index strip = 64;
    alignas(64) float y[static_cast<std::size_t>(m * m * strip)];  // (m, m, strip)
    const float* from = sums.first;
    Index left = sums.width;  // columns of the panel
    for (Index begin = 0; begin < to.columns; begin += strip) {
      const Index count = std::min(strip, to.columns - begin);
      for (Index c = 0; c < count; c += V::lanes, from += V::lanes, left -= V::lanes) {
        if (left == 0) {
          from += sums.panel - sums.width;
          left = sums.width;
        }
        Floats columns[static_cast<std::size_t>(m * size)];  // A^T sums
        for (Index j = 0; j < size; ++j) {
          Floats s[static_cast<std::size_t>(size)];
#pragma GCC unroll 8
          for (Index i = 0; i < size; ++i) s[i] = V::load(from + (i * size + j) * sums.position);
          multiply<2, m, size>(s, columns + j, size);
        }
        for (Index i = 0; i < m; ++i) {
          Floats line[static_cast<std::size_t>(m)];
          multiply<2, m, size>(columns + i * size, line, 1);
#pragma GCC unroll 8
          for (Index j = 0; j < m; ++j) V::store(y + (i * m + j) * strip + c, line[j]);
        }
      }
      const float* bias = to.bias == nullptr ? nullptr : to.bias + begin;
      const float* scale = to.scale == nullptr ? nullptr : to.scale + begin;
      for (Index i = 0; i < to.size.height; ++i) {
        finish(y + i * m * strip, strip, to.size.width, count, bias, scale, to.epilogue, false,
               to.out + i * to.line + begin, to.pixel);
      }
    }
  }

  static constexpr WinogradKernel kernel{m, &input, &weights, &output};

 private:
  template <bool relu>
  BEIT_TARGET static void input_of(const float* x, Index line, Index pixel, Index channels, float* out, Index stride) {
    for (Index c = 0; c < channels; c += V::lanes) {
      Floats columns[static_cast<std::size_t>(size * size)];  // B^T d
      for (Index j = 0; j < size; ++j) {
        Floats d[static_cast<std::size_t>(size)];
#pragma GCC unroll 8
        for (Index i = 0; i < size; ++i) {
          d[i] = load(x + i * line + j * pixel + c, channels - c);
          if (relu) d[i] = V::max(V::zero(), d[i]);  // in this order NaN stays NaN
#if defined(__GNUC__)
          if (j >= 2) __builtin_prefetch(x + i * line + (j + m) * pixel + c);  // of the next tile, probably
#endif
        }
        multiply<0, size, size>(d, columns + j, size);
      }
      for (Index i = 0; i < size; ++i) {
        Floats v[static_cast<std::size_t>(size)];
        multiply<0, size, size>(columns + i * size, v, 1);
#pragma GCC unroll 8
        for (Index j = 0; j < size; ++j) store(out + (i * size + j) * stride + c, v[j], channels - c);
      }
    }
  }

  /// An entry of B^T, G or A^T.
  template <int matrix>
  static constexpr float entry(Index i, Index j) {
    if constexpr (matrix == 0) return winograd_matrices<m>.input[i][j];
    if constexpr (matrix == 1) return winograd_matrices<m>.weights[i][j];
    if constexpr (matrix == 2) return winograd_matrices<m>.output[i][j];
  }

  /// y (rows,), `stride` vectors apart, = the matrix (rows, columns) times x (columns,). Compilers unroll the loops and
  /// leave out what the entries make unnecessary.
  template <int matrix, Index rows, Index columns>
  BEIT_TARGET static void multiply(const Floats* x, Floats* y, Index stride) {
#pragma GCC unroll 8
    for (Index i = 0; i < rows; ++i) {
      Floats sum = V::zero();
      bool first = true;
#pragma GCC unroll 8
      for (Index j = 0; j < columns; ++j) {
        const float factor = entry<matrix>(i, j);
        if (factor == 0) continue;
        if (factor == 1) {
          sum = first ? x[j] : V::add(sum, x[j]);
        } else if (factor == -1) {
          sum = V::sub(sum, x[j]);
        } else {
          sum = first ? V::mul(V::set(factor), x[j]) : V::fma(V::set(factor), x[j], sum);
        }
        first = false;
      }
      y[i * stride] = sum;
    }
  }

  BEIT_TARGET static Floats load(const float* p, Index count) {
    return count >= V::lanes ? V::load(p) : V::load(p, count);
  }
  BEIT_TARGET static void store(float* p, Floats x, Index count) {
    if (count >= V::lanes) {
      V::store(p, x);
    } else {
      V::store(p, x, count);
    }
  }
};

static constexpr WinogradKernels winograd{WinogradOf<2>::kernel, WinogradOf<4>::kernel};
