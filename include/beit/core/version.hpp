// The library's version, and the inline namespace that keeps differently compiled copies apart.
#pragma once

// MSVC says in __cplusplus that it compiles C++98, unless it is told not to (/Zc:__cplusplus).
#if defined(_MSVC_LANG)
#define BEIT_LANGUAGE _MSVC_LANG
#else
#define BEIT_LANGUAGE __cplusplus
#endif
#if BEIT_LANGUAGE < 202002L
#error "beit needs C++20: compile with -std=c++20 (MSVC: /std:c++20)"
#endif
#undef BEIT_LANGUAGE

// GCC and Clang say the order of bytes; MSVC's systems are all little-endian.
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "beit needs a little-endian processor: it reads and writes the numbers of files in place"
#endif

#define BEIT_VERSION_MAJOR 0
#define BEIT_VERSION_MINOR 3
#define BEIT_VERSION_PATCH 0
// "major.minor.patch"
#define BEIT_VERSION BEIT_VERSION_TEXT(BEIT_VERSION_MAJOR, BEIT_VERSION_MINOR, BEIT_VERSION_PATCH)
#define BEIT_VERSION_TEXT(major, minor, patch) BEIT_VERSION_TEXT_(major, minor, patch)
#define BEIT_VERSION_TEXT_(major, minor, patch) #major "." #minor "." #patch

// Two translation units of one program may be compiled with different flags. Their inline functions
// would share a name while holding different code, and the linker would keep either; so what changes
// the code is part of every name.
#if defined(__AVX512F__)
#define BEIT_ABI_SIMD _avx512
#elif defined(__AVX2__)
#define BEIT_ABI_SIMD _avx2
#elif defined(__AVX__)
#define BEIT_ABI_SIMD _avx
#elif defined(__SSE4_1__)
#define BEIT_ABI_SIMD _sse4
#else
#define BEIT_ABI_SIMD
#endif

#if defined(__FMA__)
#define BEIT_ABI_FMA _fma
#else
#define BEIT_ABI_FMA
#endif

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define BEIT_ABI_MATH _fast_math
#else
#define BEIT_ABI_MATH
#endif

#if defined(NDEBUG)
#define BEIT_ABI_ASSERT
#else
#define BEIT_ABI_ASSERT _assert
#endif

// The optional libraries that decode images. 1: the program links the library, and its reader is compiled. CMake's
// options of the same names set them.
#if !defined(BEIT_USE_LIBJPEG_TURBO)
#define BEIT_USE_LIBJPEG_TURBO 0
#endif
#if !defined(BEIT_USE_LIBWEBP)
#define BEIT_USE_LIBWEBP 0
#endif
#if !defined(BEIT_USE_LIBTIFF)
#define BEIT_USE_LIBTIFF 0
#endif
#if !defined(BEIT_USE_LIBAVIF)
#define BEIT_USE_LIBAVIF 0
#endif
#if !defined(BEIT_USE_LIBHEIF)
#define BEIT_USE_LIBHEIF 0
#endif

// The compiled library has its own flags, which a program that uses it needn't share.
#if defined(BEIT_COMPILED)
#define BEIT_ABI_FLAGS _compiled
#else
#define BEIT_ABI_FLAGS                                                                             \
  BEIT_ABI_JOIN(BEIT_ABI_SIMD, BEIT_ABI_FMA, BEIT_ABI_MATH, BEIT_ABI_ASSERT,                       \
                BEIT_ABI_IF(BEIT_USE_LIBJPEG_TURBO, _turbo), BEIT_ABI_IF(BEIT_USE_LIBWEBP, _webp), \
                BEIT_ABI_IF(BEIT_USE_LIBTIFF, _tiff), BEIT_ABI_IF(BEIT_USE_LIBAVIF, _avif),        \
                BEIT_ABI_IF(BEIT_USE_LIBHEIF, _heif))
#define BEIT_ABI_JOIN(a, b, c, d, e, f, g, h, i) BEIT_ABI_JOIN_(a, b, c, d, e, f, g, h, i)
#define BEIT_ABI_JOIN_(a, b, c, d, e, f, g, h, i) a##b##c##d##e##f##g##h##i
// `word` if `used` is 1, nothing if it is 0.
#define BEIT_ABI_IF(used, word) BEIT_ABI_IF_(used, word)
#define BEIT_ABI_IF_(used, word) BEIT_ABI_IF_##used(word)
#define BEIT_ABI_IF_0(word)
#define BEIT_ABI_IF_1(word) word
#endif

// For example v1_2_avx2.
#define BEIT_ABI BEIT_ABI_NAME(BEIT_VERSION_MAJOR, BEIT_VERSION_MINOR, BEIT_ABI_FLAGS)
#define BEIT_ABI_NAME(major, minor, flags) BEIT_ABI_NAME_(major, minor, flags)
#define BEIT_ABI_NAME_(major, minor, flags) v##major##_##minor##flags
