// Requests AMX's tile registers: Linux grants them to a process only on request, because saving them takes 8 KB per
// thread.
#pragma once

#include <beit/core/version.hpp>
#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace beit::inline BEIT_ABI {

/// Asks the system to let this process use tile registers. Returns false if it refuses (an older kernel, a seccomp
/// filter, or a thread whose alternate signal stack is too small). The permission also holds for threads that start
/// later. Asking again costs one system call.
inline bool request_tile_permission() {
#if BEIT_AMX_KERNELS
  constexpr long request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA of <asm/prctl.h>
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace beit::inline BEIT_ABI
