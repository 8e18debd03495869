// A private copy of stb_image in our own namespace, which neither sees nor disturbs a program's copy.
//
// The names are static and in a namespace, and every macro is restored: the program may include <stb_image.h> before or
// after, with or without its implementation, in any configuration.
#pragma once

// The headers that <stb_image.h> includes, included first so that they don't end up in the namespace.
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__) || defined(_M_X64) || defined(_M_IX86)
#include <emmintrin.h>
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#endif

#include <beit/core/version.hpp>
#include <beit/image/detail/stb_macros.hpp>

// stb_image leaves functions unused and has casts that warn. A user's build stays quiet: GCC and Clang extend the
// pragma to the files included here.
#if defined(_MSC_VER) && !defined(__clang__)
#pragma warning(push, 0)
#pragma warning(disable : 4505)
#else
#pragma GCC system_header
#endif

BEIT_STB_MACROS(BEIT_STB_PUSH)
#include <beit/image/detail/stb_macros_undefine.hpp>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#if defined(__GNUC__)
// stb_image declares its functions extern "C". GCC then gives a static function its plain name even in a namespace,
// which would clash with the program's own static copy in the same file. A function that is always inlined has no name.
#define STBIDEF static inline __attribute__((always_inline))
#endif
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_BMP
#define STBI_NO_GIF
#define STBI_NO_TGA
#define STBI_NO_PIC
#define STBI_NO_PNG
#define STBI_NO_PNM
#define STBI_NO_PSD
// A damaged file may leave some of stb_image's memory unwritten, which must not show what was there before.
#define STBI_MALLOC(size) calloc(1, size)
#define STBI_REALLOC(memory, size) realloc(memory, size)
#define STBI_FREE(memory) free(memory)
// A damaged file must not abort the program.
#define STBI_ASSERT(condition) ((void)sizeof(condition))

namespace beit::inline BEIT_ABI {
namespace detail::stb {

#if __has_include(<stb_image.h>)
#include <stb_image.h>
#else
#include <stb/stb_image.h>
#endif

static stbi_uc* load(const stbi_io_callbacks* callbacks, void* user, int* width, int* height, int* channels_in_file,
                     int channels) {
  return stbi_load_from_callbacks(callbacks, user, width, height, channels_in_file, channels);
}

static int info(const stbi_io_callbacks* callbacks, void* user, int* width, int* height, int* channels_in_file) {
  return stbi_info_from_callbacks(callbacks, user, width, height, channels_in_file);
}

static const char* failure_reason() { return stbi_failure_reason(); }

/// The functions that other headers call. Each unit of a program has its own copy of stb_image's functions, so an
/// inline function that named one would differ between units.
struct Functions {
  decltype(&stb::load) load;
  decltype(&stb::info) info;
  decltype(&stb::failure_reason) failure_reason;
};
inline const Functions functions{&stb::load, &stb::info, &stb::failure_reason};

}  // namespace detail::stb
}  // namespace beit::inline BEIT_ABI

#include <beit/image/detail/stb_macros_undefine.hpp>
BEIT_STB_MACROS(BEIT_STB_POP)

#if defined(_MSC_VER) && !defined(__clang__)
#pragma warning(pop)
#endif
