#include <gtest/gtest.h>

#include <array>
#include <beit/kernels/kernels.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "reference.hpp"

#if BEIT_AMX_KERNELS

namespace beit_test::amx_test {

using beit::Index;
using beit::kernels::GemmKernel;

/// c plus the product of one tile of each type: (16, 16) as bits.
template <typename Tiles>
std::array<std::array<std::uint32_t, 256>, 2> multiply(const std::vector<std::uint8_t>& bytes) {
  using namespace beit::kernels;
  std::array<std::array<std::uint32_t, 256>, 2> out{};
  Tiles tiles;
  for (std::size_t type = 0; type < 2; ++type) {
    tiles.load(tile_c11, bytes.data(), 64);
    tiles.load_once(tile_a0, bytes.data() + 1024, 64);
    tiles.load(tile_b1, bytes.data() + 2048, 64);
    if (type == 0) {
      tiles.multiply_bfloat16(tile_c11, tile_a0, tile_b1);
    } else {
      tiles.multiply_bytes(tile_c11, tile_a0, tile_b1);
    }
    tiles.store(tile_c11, out[type].data(), 64);
  }
  return out;
}

/// Bytes that, as bfloat16, are finite numbers of every size, including denormals and zeros.
std::vector<std::uint8_t> finite_bfloat16s(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(3 * 1024);
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const std::uint32_t exponent = i % 64 < 8 ? random() % 3 : 64 + random() % 96;
    const std::uint32_t bits = (random() & 0x807F) | exponent << 7;
    bytes[i] = static_cast<std::uint8_t>(bits);
    bytes[i + 1] = static_cast<std::uint8_t>(bits >> 8);
  }
  return bytes;
}

TEST(Amx, SoftwareTilesAreTheMachinesToTheBit) {
  if (!beit::has_isa(beit::Isa::amx)) GTEST_SKIP() << "no tiles here";
  for (unsigned seed = 0; seed < 20; ++seed) {
    const std::vector<std::uint8_t> bytes = finite_bfloat16s(seed);
    EXPECT_EQ(multiply<beit::kernels::Tiles>(bytes), multiply<SoftwareTiles>(bytes));
  }
}

TEST(Amx, SplitProductsAreNoLessAccurateThanFma) {
  if (!beit::detect_cpu_features().avx512_bf16) GTEST_SKIP() << "no AVX-512 here";
  const Index m = 48, n = 64;
  for (const Index k : {Index{64}, Index{768}, Index{3072}}) {
    const std::vector<float> a = reference::normal(m * k, 1), w = reference::normal(n * k, 2, 0.02f);
    const std::vector<double> wanted = reference::product({a.begin(), a.end()}, {w.begin(), w.end()}, m, n, k);
    const auto mean_square_error = [&](const GemmKernel& kernel) {
      const auto packed = reference::pack(kernel, w, n, k);
      const reference::Owned x(*kernel.layout, a, 1, m, k);
      std::vector<float> out(static_cast<std::size_t>(m * n));
      reference::run_blocks(kernel, {.a = &x.view, .packed = packed.data(), .out = out.data(), .ldo = n, .n = n});
      double sum = 0;
      for (std::size_t i = 0; i < out.size(); ++i) sum += (out[i] - wanted[i]) * (out[i] - wanted[i]);
      return sum;
    };
    EXPECT_LE(
        mean_square_error(beit::kernels::AmxLevel<SoftwareTiles>::precision_kernels<beit::Precision::float32>().gemm),
        mean_square_error(beit::kernels::Avx512::precision_kernels<beit::Precision::float32>().gemm))
        << k;
  }
}

}  // namespace beit_test::amx_test

#endif  // BEIT_AMX_KERNELS
