// Sums four taps by products of 16 bits, for kernels/strips.inl.
//
// This file doesn't compile alone: a level includes it where V and BEIT_TARGET are known. The instruction multiplies
// pairs of numbers of 16 bits with signs and adds the two products. A weight is 2^16 high + low, both of 16 bits with
// sign; a lane's even and odd bytes are two pairs. Registers: 6 sums across and 8 down, 4 weights, 3 of data, a mask.

/// Implements StripKernels::split: low and high parts of the weights of taps 0 and 2, then of taps 1 and 3.
static void split(const std::int32_t* weights, std::int32_t* parts, Index stride) {
  for (Index tap = 0; tap < 2; ++tap, parts += 2 * stride) {
    std::uint32_t low = 0, high = 0;
    for (const Index position : {Index{0}, Index{2}}) {
      const std::int32_t weight = weights[tap + position];
      const std::int32_t rest = weight - static_cast<std::int16_t>(weight & 0xffff);
      low |= (static_cast<std::uint32_t>(weight) & 0xffff) << (8 * position);
      high |= (static_cast<std::uint32_t>(rest) >> 16) << (8 * position);
    }
    parts[0] = static_cast<std::int32_t>(low);
    parts[stride] = static_cast<std::int32_t>(high);
  }
}

struct Sums {
  typename V::PairSums low{}, high{};
};
struct Weights {
  typename V::Bits even_low, even_high, odd_low, odd_high;
};
using RowWeights = Weights;

BEIT_TARGET static Weights weights_of_lanes(const std::int32_t* p) {
  return {V::broadcast(p), V::broadcast(p + 1), V::broadcast(p + 2), V::broadcast(p + 3)};
}
BEIT_TARGET static Weights weights_of_rows(const std::int32_t* p) {
  return {V::repeat(p), V::repeat(p + 4), V::repeat(p + 8), V::repeat(p + 12)};
}

BEIT_TARGET static void add(Sums& sums, typename V::Bits bytes, const Weights& w) {
  const auto even = V::even_bytes(bytes), odd = V::odd_bytes(bytes);
  sums.low = V::add_products(sums.low, even, w.even_low);
  sums.high = V::add_products(sums.high, even, w.even_high);
  sums.low = V::add_products(sums.low, odd, w.odd_low);
  sums.high = V::add_products(sums.high, odd, w.odd_high);
}

BEIT_TARGET static typename V::Words total(const Sums& sums) {
  return V::lane_sums(sums.low) + (V::lane_sums(sums.high) << 16);
}

static std::int32_t offset(const std::int32_t*, Index, Index) { return 0; }
