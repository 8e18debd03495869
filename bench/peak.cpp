// Measures the machine's peak of arithmetic operations per second, for each kind of multiply-add instruction that it
// has, on one thread and on all. Other measurements are stated as a fraction of it.
//
//   beit_peak [THREADS]      (default: all usable processors) prints one line of JSON per result:
//   {"instruction": "AVX-512 FMA", "level": "avx512", "type": "float", "threads": 1, "gflops": 123.4}
//
// A loop in assembly keeps so many independent sums in registers that they hide the instruction's latency, and touches
// no memory. All numbers are zero, because these instructions take the same time whatever they multiply. Passes of some
// milliseconds are repeated and the fastest counts, because other programs can only slow one down.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <beit/core/thread_pool.hpp>
#include <beit/cpu/features.hpp>

#if defined(__x86_64__) && defined(__GNUC__)
#define BEIT_PEAK_X86 1
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace {

struct Instruction {
  const char* name;
  const char* level;  ///< The first level of kernels that has it.
  const char* type;   ///< The type that is multiplied; sums are float or int32.
  double operations;  ///< Operations per round; a multiply-add counts as two.
  void (*run)(long rounds);
};

#if defined(BEIT_PEAK_X86)

constexpr int vector_sums = 14, tile_sums = 6;

/// Executes `rounds` times: `instruction` with each of the registers 0 to 13 in place of \\n.
#define BEIT_PEAK_VECTORS(instruction)                                                                          \
  asm volatile("vzeroall\n1:\n.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n" instruction                             \
               "\n.endr\ndec %0\njnz 1b\nvzeroupper"                                                            \
               : "+r"(rounds)                                                                                   \
               :                                                                                                \
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
                 "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

void run_avx2_fma(long rounds) { BEIT_PEAK_VECTORS("vfmadd231ps %%ymm14, %%ymm15, %%ymm\\n"); }
// Products of 16-bit integers, which multiply bytes without saturation. The sum takes a second instruction.
void run_avx2_integers(long rounds) {
  BEIT_PEAK_VECTORS("vpmaddwd %%ymm14, %%ymm14, %%ymm15\nvpaddd %%ymm15, %%ymm\\n, %%ymm\\n");
}
// {vex} selects AVX-VNNI's encoding: without it the assembler uses AVX-512's.
void run_avx2_vnni(long rounds) { BEIT_PEAK_VECTORS("%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm\\n"); }
void run_avx512_fma(long rounds) { BEIT_PEAK_VECTORS("vfmadd231ps %%zmm14, %%zmm15, %%zmm\\n"); }
void run_avx512_integers(long rounds) {
  BEIT_PEAK_VECTORS("vpmaddwd %%zmm14, %%zmm14, %%zmm15\nvpaddd %%zmm15, %%zmm\\n, %%zmm\\n");
}
void run_avx512_bf16(long rounds) { BEIT_PEAK_VECTORS("vdpbf16ps %%zmm14, %%zmm15, %%zmm\\n"); }
void run_avx512_vnni(long rounds) { BEIT_PEAK_VECTORS("vpdpbusd %%zmm14, %%zmm15, %%zmm\\n"); }

/// Configures eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  unsigned char palette = 1, start_row = 0, reserved[14] = {};
  unsigned short row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  unsigned char rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

/// Executes `rounds` times: `instruction` with each of the tiles 0 to 5 in place of \\n.
#define BEIT_PEAK_TILES(instruction)                                                \
  const TileConfig config;                                                          \
  asm volatile(                                                                     \
      "ldtilecfg %1\n.irp n,0,1,2,3,4,5,6,7\ntilezero %%tmm\\n\n.endr\n"            \
      "1:\n.irp n,0,1,2,3,4,5\n" instruction "\n.endr\ndec %0\njnz 1b\ntilerelease" \
      : "+r"(rounds)                                                                \
      : "m"(config)                                                                 \
      : "cc")

void run_amx_bf16(long rounds) { BEIT_PEAK_TILES("tdpbf16ps %%tmm6, %%tmm7, %%tmm\\n"); }
void run_amx_int8(long rounds) { BEIT_PEAK_TILES("tdpbssd %%tmm6, %%tmm7, %%tmm\\n"); }

/// Whether CPUID's leaf 7 has this bit of EDX and the system lets this process use tiles.
bool has_amx([[maybe_unused]] unsigned bit) {
#if defined(__linux__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned tiles = 1u << 24;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (edx & tiles) == 0 || (edx & bit) == 0) return false;
  constexpr int arch_req_xcomp_perm = 0x1023, tile_data = 18;
  return ::syscall(SYS_arch_prctl, arch_req_xcomp_perm, tile_data) == 0;
#else
  return false;
#endif
}

#elif BEIT_NEON_KERNELS

constexpr int neon_sums = 24;

/// Executes `rounds` times: `instruction` with each of the registers 0 to 23 in place of \\n.
#define BEIT_PEAK_NEON(instruction)                                                                                 \
  asm volatile(                                                                                                     \
      ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,30,31\nmovi v\\n\\().4s, #0\n.endr\n"   \
      "1:\n.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n" instruction                      \
      "\n.endr\nsubs %0, %0, #1\nb.ne 1b"                                                                           \
      : "+r"(rounds)                                                                                                \
      :                                                                                                             \
      : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", \
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v30", "v31")

void run_neon_fma(long rounds) { BEIT_PEAK_NEON("fmla v\\n\\().4s, v30.4s, v31.4s"); }
// Products of 16-bit integers, which multiply bytes on processors without the dot product.
void run_neon_integers(long rounds) { BEIT_PEAK_NEON("smlal v\\n\\().4s, v30.4h, v31.4h"); }
BEIT_TARGET_NEON_DOT void run_neon_dot(long rounds) { BEIT_PEAK_NEON("sdot v\\n\\().4s, v30.16b, v31.16b"); }
BEIT_TARGET_NEON_MATRIX void run_neon_bf16(long rounds) { BEIT_PEAK_NEON("bfmmla v\\n\\().4s, v30.8h, v31.8h"); }
BEIT_TARGET_NEON_MATRIX void run_neon_i8mm(long rounds) { BEIT_PEAK_NEON("smmla v\\n\\().4s, v30.16b, v31.16b"); }

#endif

std::vector<Instruction> instructions() {
  std::vector<Instruction> found;
#if defined(BEIT_PEAK_X86)
  const bool avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    found.push_back({"AVX2 FMA", "avx2", "float", 2.0 * 8 * vector_sums, run_avx2_fma});
    found.push_back({"AVX2 integers", "avx2", "int8", 2.0 * 16 * vector_sums, run_avx2_integers});
  }
  if (beit::detect_cpu_features().avx2_vnni) {
    found.push_back({"AVX-VNNI", "avx2_vnni", "int8", 2.0 * 32 * vector_sums, run_avx2_vnni});
  }
  if (avx512) {
    found.push_back({"AVX-512 FMA", "avx512", "float", 2.0 * 16 * vector_sums, run_avx512_fma});
    found.push_back({"AVX-512 integers", "avx512", "int8", 2.0 * 32 * vector_sums, run_avx512_integers});
  }
  if (avx512 && __builtin_cpu_supports("avx512bf16")) {
    found.push_back({"AVX512-BF16", "avx512_bf16", "bfloat16", 2.0 * 32 * vector_sums, run_avx512_bf16});
  }
  if (avx512 && __builtin_cpu_supports("avx512vnni")) {
    found.push_back({"AVX512-VNNI", "avx512_vnni", "int8", 2.0 * 64 * vector_sums, run_avx512_vnni});
  }
  constexpr double tile_rows = 16, tile_cols = 16;
  if (has_amx(1u << 22)) {
    found.push_back({"AMX bfloat16", "amx", "bfloat16", 2.0 * tile_rows * tile_cols * 32 * tile_sums, run_amx_bf16});
  }
  if (has_amx(1u << 25)) {
    found.push_back({"AMX int8", "amx", "int8", 2.0 * tile_rows * tile_cols * 64 * tile_sums, run_amx_int8});
  }
#elif BEIT_NEON_KERNELS
  found.push_back({"NEON FMA", "portable", "float", 2.0 * 4 * neon_sums, run_neon_fma});
  found.push_back({"NEON integers", "neon", "int8", 2.0 * 4 * neon_sums, run_neon_integers});
  const beit::CpuFeatures features = beit::detect_cpu_features();
  if (features.neon_dot) found.push_back({"NEON dot", "neon_dot", "int8", 2.0 * 16 * neon_sums, run_neon_dot});
  if (features.neon_matrix) {
    found.push_back({"NEON BF16", "neon_matrix", "bfloat16", 2.0 * 16 * neon_sums, run_neon_bf16});
    found.push_back({"NEON I8MM", "neon_matrix", "int8", 2.0 * 32 * neon_sums, run_neon_i8mm});
  }
#endif
  return found;
}

using Clock = std::chrono::steady_clock;

/// The seconds that all threads take for `rounds` rounds, measured from when the last of them is ready.
double time_pass(const Instruction& instruction, int threads, long rounds) {
  std::atomic<int> waiting{threads};
  Clock::time_point start;
  const auto work = [&] {
    instruction.run(rounds / 8 + 1);  // wakes up vector units and clock
    if (waiting.fetch_sub(1) == 1) start = Clock::now();
    while (waiting.load() > 0) std::this_thread::yield();
    instruction.run(rounds);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The best of several passes in 1e9 operations per second, over all threads.
double measure(const Instruction& instruction, int threads) {
  constexpr double pass_seconds = 0.005;  // short enough to fall between two disturbances
  constexpr int passes = 60;
  long rounds = 1000;
  double seconds = time_pass(instruction, 1, rounds);
  while (seconds < pass_seconds / 2) {
    rounds *= 2;
    seconds = time_pass(instruction, 1, rounds);
  }
  seconds = time_pass(instruction, threads, rounds);
  for (int i = 1; i < passes; ++i) seconds = std::min(seconds, time_pass(instruction, threads, rounds));
  return instruction.operations * static_cast<double>(rounds) * threads / seconds * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  const int all = argc > 1 ? std::atoi(argv[1]) : beit::detail::usable_processors();
  if (argc > 2 || all < 1) {
    std::fprintf(stderr, "usage: beit_peak [THREADS]\n");
    return 2;
  }
  for (const Instruction& instruction : instructions()) {
    for (const int threads : {1, all}) {
      std::printf("{\"instruction\": \"%s\", \"level\": \"%s\", \"type\": \"%s\", \"threads\": %d, \"gflops\": %.1f}\n",
                  instruction.name, instruction.level, instruction.type, threads, measure(instruction, threads));
      std::fflush(stdout);
      if (all == 1) break;
    }
  }
  return 0;
}
