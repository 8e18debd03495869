// Row-wise arithmetic, written once for every instruction set.
//
// This file doesn't compile alone. A level's header includes it inside its struct, where `V` is the level's vector type
// (kernels/vector_avx2.hpp documents its interface), BEIT_TARGET its target attribute, and kernels/approximations.hpp
// has been included. A template would not do, because functions can't inherit a target attribute from the place of
// their instantiation.

using Floats = typename V::Floats;

/// exp(x) for x <= 0.
BEIT_TARGET static Floats exp(Floats x) {
  x = V::max(x, V::set(exp_lowest));
  const Floats n = V::round(V::mul(x, V::set(log2_e)));
  Floats r = V::fnma(n, V::set(ln2_high), x);
  r = V::fnma(n, V::set(ln2_low), r);
  const Floats p = polynomial(exp_coefficients, r);
  return V::times_power_of_two(V::fma(V::mul(r, r), p, V::add(r, V::set(1.0f))), n);
}

/// 2^x for x below 127, for results that are then rounded to bfloat16 or a byte.
BEIT_TARGET static Floats exp2_rounded(Floats x) {
  const Floats n = V::round(x);
  return V::times_power_of_two(polynomial(exp2_rounded_coefficients, V::sub(x, n)), n);
}

/// exp(x) for x <= 0, for results that are then rounded to bfloat16.
BEIT_TARGET static Floats exp_rounded(Floats x) {
  return exp2_rounded(V::mul(V::max(x, V::set(exp_lowest)), V::set(log2_e)));
}

/// gelu(x) = max(x, 0) - |x|/2 * erfc(|x|/sqrt(2)), which is x/2 * (1 + erf(x/sqrt(2))) without cancellation.
BEIT_TARGET static Floats gelu(Floats x) {
  const Floats size = V::abs(x);
  const Floats one = V::set(1.0f);
  const Floats t = V::div(one, V::fma(size, V::set(erfc_p * sqrt_half), one));
  const Floats p = polynomial(erfc_coefficients, t);
  const Floats half_size = V::mul(size, V::set(0.5f));
  const Floats e = exp(V::mul(size, V::sub(V::zero(), half_size)));
  const Floats tail = V::mul(V::mul(half_size, t), V::mul(p, e));
  return V::sub(V::max(x, V::zero()), tail);
}

/// gelu(x) for results that are then rounded to bfloat16 or a byte: x * (1/2 + an odd polynomial of x, clamped).
BEIT_TARGET static Floats gelu_rounded(Floats x) {
  x = V::max(x, V::set(-gelu_rounded_limit));
  const Floats clamped = V::min(x, V::set(gelu_rounded_limit));
  const Floats p = polynomial(gelu_rounded_coefficients, V::mul(clamped, clamped));
  return V::mul(x, V::fma(clamped, p, V::set(0.5f)));
}

/// Replaces x (n,) by exp(x - max(x)). Returns the reciprocal of the sum. `rounded`: uses exp_rounded.
template <bool rounded>
BEIT_TARGET static float softmax_row(float* x, Index n) {
  const Index whole = n / V::lanes * V::lanes, rest = n - whole;
  const Floats tail = V::first(V::load(x + whole, rest), rest, V::set(-3.4e38f));
  Floats largest = tail;
  for (Index i = 0; i < whole; i += V::lanes) largest = V::max(largest, V::load(x + i));
  const Floats shift = V::set(V::largest(largest));
  Floats sums = V::zero();
  for (Index i = 0; i < whole; i += V::lanes) {
    const Floats difference = V::sub(V::load(x + i), shift);
    const Floats e = rounded ? exp_rounded(difference) : exp(difference);
    V::store(x + i, e);
    sums = V::add(sums, e);
  }
  const Floats difference = V::sub(tail, shift);
  const Floats e = V::first(rounded ? exp_rounded(difference) : exp(difference), rest, V::zero());
  V::store(x + whole, e, rest);
  return 1.0f / V::sum(V::add(sums, e));
}

/// out (n,) = exp(y - max(y)) as bfloat16 for y = scale * x + bias. Returns the reciprocal of the sum. Overwrites x.
/// Like round(), it compiles only for levels that multiply bfloat16.
template <typename Rounding = V>
BEIT_TARGET static float softmax_rounded(float* x, float scale, const float* bias, Index n, std::uint16_t* out) {
  const Index whole = n / V::lanes * V::lanes, rest = n - whole;
  const Floats s = V::set(scale), lowest = V::set(-3.4e38f);
  const Floats tail = V::first(V::fma(V::load(x + whole, rest), s, V::load(bias + whole, rest)), rest, lowest);
  Floats largest = tail;
  for (Index i = 0; i < whole; i += V::lanes) {
    const Floats score = V::fma(V::load(x + i), s, V::load(bias + i));
    V::store(x + i, score);
    largest = V::max(largest, score);
  }
  const Floats shift = V::set(V::largest(largest));
  Floats sums = V::zero();
  for (Index i = 0; i < whole; i += V::lanes) {
    const Floats e = exp_rounded(V::sub(V::load(x + i), shift));
    Rounding::store_bfloat16(e, V::lanes, out + i);
    sums = V::add(sums, e);
  }
  const Floats e = V::first(exp_rounded(V::sub(tail, shift)), rest, V::zero());
  Rounding::store_bfloat16(e, rest, out + whole);
  return 1.0f / V::sum(V::add(sums, e));
}

/// out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias for each of `rows` rows of C; out may be x.
BEIT_TARGET static void layer_norm(const float* x, Index ldx, Index rows, Index c, const float* weight,
                                   const float* bias, float eps, float* out, Index ldo) {
  const Index whole = c / V::lanes * V::lanes, rest = c - whole;
  const float size = static_cast<float>(c);
  for (Index row = 0; row < rows; ++row, x += ldx, out += ldo) {
    const Floats tail = V::load(x + whole, rest);
    Floats sums = tail;
    for (Index i = 0; i < whole; i += V::lanes) sums = V::add(sums, V::load(x + i));
    // The second pass measures from the rounded mean and also corrects its rounding error.
    const Floats about = V::set(V::sum(sums) / size);
    const Floats d = V::first(V::sub(tail, about), rest, V::zero());
    Floats offsets = d, squares = V::mul(d, d);
    for (Index i = 0; i < whole; i += V::lanes) {
      const Floats e = V::sub(V::load(x + i), about);
      offsets = V::add(offsets, e);
      squares = V::fma(e, e, squares);
    }
    const float offset = V::sum(offsets) / size;
    const float variance = V::sum(squares) / size - offset * offset;
    const float reciprocal = 1.0f / std::sqrt(std::max(variance, 0.0f) + eps);
    const Floats scale = V::set(reciprocal), shift = V::set(-offset * reciprocal);
    for (Index i = 0; i < whole; i += V::lanes) {
      const Floats e = V::fma(V::sub(V::load(x + i), about), scale, shift);
      V::store(out + i, V::fma(e, V::load(weight + i), V::load(bias + i)));
    }
    const Floats e = V::fma(d, scale, shift);
    V::store(out + whole, V::fma(e, V::load(weight + whole, rest), V::load(bias + whole, rest)), rest);
  }
}

/// to (rows, columns) = the epilogue of the sums x; `to` may be x. `rounded`: the results are rounded next.
BEIT_TARGET static void finish(const float* x, Index ldx, Index rows, Index columns, const float* bias,
                               const float* scale, Epilogue epilogue, bool rounded, float* to, Index ldo) {
  for (Index j = 0; j < columns; j += V::lanes, x += V::lanes, to += V::lanes) {
    const Index count = columns - j;
    const Floats b = bias == nullptr ? V::zero() : V::load(bias + j, count);
    const Floats s = scale == nullptr ? V::set(1.0f) : V::load(scale + j, count);
    switch (epilogue) {
      case Epilogue::bias:
        finish_column<Epilogue::bias, false>(x, ldx, rows, count, b, s, to, ldo);
        break;
      case Epilogue::bias_gelu:
        if (rounded) {
          finish_column<Epilogue::bias_gelu, true>(x, ldx, rows, count, b, s, to, ldo);
        } else {
          finish_column<Epilogue::bias_gelu, false>(x, ldx, rows, count, b, s, to, ldo);
        }
        break;
      case Epilogue::bias_relu:
        finish_column<Epilogue::bias_relu, false>(x, ldx, rows, count, b, s, to, ldo);
        break;
      case Epilogue::bias_residual:
        finish_column<Epilogue::bias_residual, false>(x, ldx, rows, count, b, s, to, ldo);
        break;
    }
  }
}

/// out = (sum - offset) * row_scale * column_scale; sum and out (rows, NR).
template <Index NR>
BEIT_TARGET static void dequantise(const std::int32_t* sum, Index rows, const float* row_scale,
                                   const float* column_scale, const std::int32_t* offset, float* out) {
  for (Index i = 0; i < rows; ++i, sum += NR, out += NR) {
    const Floats scale = V::set(row_scale[i]);
    for (Index j = 0; j < NR; j += V::lanes) {
      V::store(out + j, V::mul(V::difference(sum + j, offset + j), V::mul(scale, V::load(column_scale + j))));
    }
  }
}

/// The maximum of |x| over k numbers.
BEIT_TARGET static float largest_magnitude(const float* x, Index k) {
  Floats even = V::zero(), odd = even;  // two, so that one needn't wait for the other
  Index i = 0;
  for (; i + 2 * V::lanes <= k; i += 2 * V::lanes) {
    even = V::max(even, V::abs(V::load(x + i)));
    odd = V::max(odd, V::abs(V::load(x + i + V::lanes)));
  }
  for (; i < k; i += V::lanes) even = V::max(even, V::abs(V::load(x + i, k - i)));
  return V::largest(V::max(even, odd));
}

/// Rounds `count` numbers times `inverse` to integers, and writes zeros after them up to `padded`, as `Integer` stores
/// them.
template <typename Integer>
BEIT_TARGET static void quantise(const float* x, Index count, Index padded, float inverse, Integer* out) {
  const Floats factor = V::set(inverse);
  Index i = 0;
  for (; i + V::lanes <= count; i += V::lanes) V::store_integers(V::mul(V::load(x + i), factor), V::lanes, out + i);
  for (; i < padded; i += V::lanes) {
    V::store_integers(V::mul(V::load(x + i, count - i), factor), padded - i, out + i);
  }
}

/// Rounds `count` numbers to bfloat16, and writes zeros after them up to `padded`. Only for levels that multiply
/// bfloat16, whose vectors have an instruction for it.
template <typename Rounding = V>
BEIT_TARGET static void round(const float* x, Index count, Index padded, std::uint16_t* out) {
  for (Index i = 0; i < padded; i += V::lanes) Rounding::store_bfloat16(V::load(x + i, count - i), padded - i, out + i);
}

/// Rounds weights times `inverse` to integers. Returns the sum of these. Compilers vectorise the loop because they know
/// `count`.
template <Index count>
BEIT_TARGET static std::int32_t quantise_weights(const float* x, float inverse, std::int8_t* out) {
  quantise(x, count, count, inverse, out);
  std::int32_t sum = 0;
  for (Index i = 0; i < count; ++i) sum += out[i];
  return sum;
}

/// Rounds weights to bfloat16. Compilers vectorise the loop because they know `count`.
template <Index count>
BEIT_TARGET static void round_weights(const float* x, std::uint16_t* out) {
  for (Index i = 0; i < count; ++i) out[i] = round_to_bfloat16(x[i]);
}

/// Widens stored weights to the type that is multiplied, in whole vectors.
template <typename Stored, typename Panel>
BEIT_TARGET static void widen(const Stored* in, Index count, Panel* out) {
  for (Index i = 0; i < count; i += V::lanes) V::widen(in + i, out + i);
}

/// out = x, in whole vectors: may read and write beyond `count`.
BEIT_TARGET static void copy_with_overrun(const float* x, Index count, float* out) {
  for (Index i = 0; i < count; i += V::lanes) V::store(out + i, V::load(x + i));
}

/// x += scale * y for `count` numbers.
BEIT_TARGET static void add_scaled(float* x, const float* y, float scale, Index count) {
  const Floats s = V::set(scale);
  for (Index i = 0; i < count; i += V::lanes) {
    V::store(x + i, V::fma(s, V::load(y + i, count - i), V::load(x + i, count - i)), count - i);
  }
}

/// x *= scale for `count` numbers.
BEIT_TARGET static void multiply(float* x, float scale, Index count) {
  const Floats s = V::set(scale);
  for (Index i = 0; i < count; i += V::lanes) V::store(x + i, V::mul(s, V::load(x + i, count - i)), count - i);
}

private:
/// finish() for one vector of columns.
template <Epilogue epilogue, bool rounded>
BEIT_TARGET static void finish_column(const float* x, Index ldx, Index rows, Index count, Floats bias, Floats scale,
                                      float* to, Index ldo) {
  const bool whole = count >= V::lanes;
  for (; rows > 0; --rows, x += ldx, to += ldo) {
    Floats y = V::add(whole ? V::load(x) : V::load(x, count), bias);
    if (epilogue == Epilogue::bias_gelu) y = rounded ? gelu_rounded(y) : gelu(y);
    if (epilogue == Epilogue::bias_relu) y = V::max(V::zero(), y);  // in this order NaN stays NaN
    if (epilogue == Epilogue::bias_residual) y = V::fma(scale, y, whole ? V::load(to) : V::load(to, count));
    if (whole) {
      V::store(to, y);
    } else {
      V::store(to, y, count);
    }
  }
}

template <std::size_t count>
BEIT_TARGET static Floats polynomial(const float (&coefficients)[count], Floats x) {
  Floats p = V::set(coefficients[count - 1]);
#pragma GCC unroll 8
  for (std::size_t i = 2; i <= count; ++i) p = V::fma(p, x, V::set(coefficients[count - i]));
  return p;
}

public:
