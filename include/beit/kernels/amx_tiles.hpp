// AMX's tile registers, configured for products of 16-row tiles.
//
// A tile is 16 rows of 64 bytes. One instruction adds A x B to C, where
//   C  16 x 16 float or int32,
//   A  16 rows of 16 groups of consecutive numbers along k (2 bfloat16 or 4 bytes),
//   B  16 groups x 16 columns of such groups: row i holds group i of each column ("VNNI layout").
//
// A tile product takes 16 cycles and a load 8. So a square of 2 x 2 tiles of C, which needs four loads for four
// products, keeps the multiplier busy; it takes all eight registers:
//   C 0 1    A 4    B 6 7
//     2 3      5
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <cstdint>
#include <type_traits>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The number of a tile register, as a type because instructions contain it.
template <int Number>
using TileRegister = std::integral_constant<int, Number>;

inline constexpr TileRegister<0> tile_c00;
inline constexpr TileRegister<1> tile_c01;
inline constexpr TileRegister<2> tile_c10;
inline constexpr TileRegister<3> tile_c11;
inline constexpr TileRegister<4> tile_a0;
inline constexpr TileRegister<5> tile_a1;
inline constexpr TileRegister<6> tile_b0;
inline constexpr TileRegister<7> tile_b1;

/// Configures this thread's tile registers for as long as the object lives, which is one call of a kernel. That costs a
/// few hundred cycles, against tens of thousands per call, and leaves nothing behind in a thread that isn't ours: by
/// the calling convention the registers and their configuration belong to the running function, and the system needn't
/// save released ones. The instructions are inline assembly, because GCC 12's intrinsics want the register as a literal
/// and don't declare what memory they touch.
class Tiles {
 public:
  static constexpr Index rows = 16, row_bytes = 64;

  Tiles() {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } configuration;
    for (int tile = 0; tile < 8; ++tile) {
      configuration.row_bytes[tile] = row_bytes;
      configuration.rows[tile] = rows;
    }
    asm volatile("ldtilecfg %0" : : "m"(configuration));
  }
  ~Tiles() { asm volatile("tilerelease" : : : "memory"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  template <int T>
  void zero(TileRegister<T>) {
    asm volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  /// Loads rows that are `stride` bytes apart.
  template <int T>
  void load(TileRegister<T>, const void* from, Index stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T) : "memory");
  }
  /// Loads rows that aren't needed again soon, as far as possible without putting them into the nearest cache.
  template <int T>
  void load_once(TileRegister<T>, const void* from, Index stride) {
    asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  void store(TileRegister<T>, void* to, Index stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory");
  }
  /// c += a x b, bfloat16 into float: the even and the odd numbers of groups are summed separately by FMA from zero,
  /// then their sum is added to c. Everything rounds to nearest, and denormals are zero.
  template <int C, int A, int B>
  void multiply_bfloat16(TileRegister<C>, TileRegister<A>, TileRegister<B>) {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
  /// c += a x b, unsigned bytes by signed bytes into int32.
  template <int C, int A, int B>
  void multiply_bytes(TileRegister<C>, TileRegister<A>, TileRegister<B>) {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_AMX_KERNELS
