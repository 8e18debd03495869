// The steps of the resize, written once for every instruction set.
//
// This file doesn't compile alone. A level includes it in a separate struct, where BEIT_TARGET is its target attribute.
// That struct has
//   V, its vector (kernels/vector_avx2.hpp says what that offers);
//   split, see StripKernels;
//   Sums, four taps' sums in every lane, in parts, and total(sums), the whole, in Words;
//   weights_of_lanes(p), the parts of four taps for every lane, and weights_of_rows(p), the parts of four groups of
//   four
//     taps for the lanes of every block;
//   add(sums, bytes, weights), which adds the products of every lane's four bytes;
//   offset(weights, units, groups), what else the weights of an output add to its sum.
// kernels/strip_words.inl has all of them but V.

using Bits = typename V::Bits;
using Words = typename V::Words;
using Integers = typename V::Integers;

/// Implements the step that StripKernels documents.
BEIT_TARGET static void gather(const std::uint8_t* const* rows, Index groups, Index step, const std::uint8_t* shuffle,
                               std::uint8_t* strip) {
  const Bits order = V::repeat(shuffle);
  for (Index row = 0; row < strip_rows; row += V::lanes, rows += V::lanes, strip += V::lanes * 4) {
    std::uint8_t* to = strip;
    for (Index at = 0; at < groups * step; at += step, to += strip_group_bytes) {
      // A block first holds four red, four green and four blue values of a row, then one colour of four rows.
      const Bits a = V::shuffle(V::load_blocks(rows, at), order), b = V::shuffle(V::load_blocks(rows + 1, at), order);
      const Bits c = V::shuffle(V::load_blocks(rows + 2, at), order),
                 d = V::shuffle(V::load_blocks(rows + 3, at), order);
      const Bits ab = V::zip_low(a, b), cd = V::zip_low(c, d);
      V::store_strip(to, V::zip_low_pairs(ab, cd));
      V::store_strip(to + strip_rows * 4, V::zip_high_pairs(ab, cd));
      V::store_strip(to + strip_rows * 8, V::zip_low_pairs(V::zip_high(a, b), V::zip_high(c, d)));
    }
  }
}

/// Implements the step that StripKernels documents.
BEIT_TARGET static void stack(const std::uint8_t* const* rows, Index count, Index stride, std::uint8_t* stacks) {
  for (Index from = 0; count > 0; --count, stacks += stride) {
    for (Index i = 0; i < 3; ++i, from += 16) V::store_interleaved(rows, from, stacks + i * 64);
  }
}

/// Implements the step that StripKernels documents.
BEIT_TARGET static void across(const std::uint8_t* strip, const std::int32_t* weights, Index groups,
                               std::uint8_t* out) {
  const Words half = half_and(offset(weights, groups, 1));
  for (Index row = 0; row < strip_rows; row += V::lanes, strip += V::lanes * 4, out += V::lanes) {
    Sums red{}, green{}, blue{};
    const std::uint8_t* from = strip;
    for (Index g = 0; g < groups; ++g, from += strip_group_bytes) {
      const Weights w = weights_of_lanes(weights + g * tap_parts);
      add(red, V::load_bits(from), w);
      add(green, V::load_bits(from + strip_rows * 4), w);
      add(blue, V::load_bits(from + strip_rows * 8), w);
    }
    V::store_block(rounded(total(red), half), rounded(total(green), half), rounded(total(blue), half), out);
  }
}

/// Implements the step that StripKernels documents.
BEIT_TARGET static void down(const std::uint8_t* const* blocks, const std::int32_t* weights, Index count, Index columns,
                             std::uint8_t* out) {
  constexpr Index vector = V::lanes * 4;  // bytes: 16 rows of a column fill a block
  const Words half = half_and(offset(weights, count, 4));
  for (Index x = 0; x < columns; x += V::lanes) {
    Sums a{}, b{}, c{}, d{};
    for (Index i = 0; i < count; ++i) {
      const RowWeights w = weights_of_rows(weights + i * tap_parts * 4);
      const std::uint8_t* const from = blocks[i] + x * strip_rows;
      add(a, V::load_bits(from), w);
      add(b, V::load_bits(from + vector), w);
      add(c, V::load_bits(from + 2 * vector), w);
      add(d, V::load_bits(from + 3 * vector), w);
    }
    V::store_transposed(rounded(add_lanes(total(a), total(b), total(c), total(d)), half), columns - x, out + x);
  }
}

static constexpr StripKernels kernels{&split, &gather, &stack, &across, &down, V::bias};

private:
/// Returns in every lane `offset` and the half that rounds a sum.
BEIT_TARGET static Words half_and(std::int32_t offset) {
  const std::int32_t sum = offset + (1 << (weight_bits - 1));
  return reinterpret_cast<Words>(V::broadcast(&sum));
}

/// Rounds sums to the nearest integers, not clamped to a byte.
BEIT_TARGET static Integers rounded(Words sums, Words half) {
  return reinterpret_cast<Integers>(sums + half) >> weight_bits;
}

/// Returns in every block the sum of a's lanes, of b's, of c's and of d's.
BEIT_TARGET static Words add_lanes(Words a, Words b, Words c, Words d) {
  const Words ab = words(V::zip_low(bits(a), bits(b))) + words(V::zip_high(bits(a), bits(b)));
  const Words cd = words(V::zip_low(bits(c), bits(d))) + words(V::zip_high(bits(c), bits(d)));
  return words(V::zip_low_pairs(bits(ab), bits(cd))) + words(V::zip_high_pairs(bits(ab), bits(cd)));
}

BEIT_TARGET static Words words(Bits x) { return reinterpret_cast<Words>(x); }
BEIT_TARGET static Bits bits(Words x) { return reinterpret_cast<Bits>(x); }

public:
