// The macros that <stb_image.h> reads or defines. stb_image.hpp puts them aside and restores them, so that a program's
// own settings don't reach our copy, nor ours the program's.
#pragma once

// clang-format off
#define BEIT_STB_MACROS(X) \
  X(STB_IMAGE_IMPLEMENTATION) X(STB_IMAGE_STATIC) X(STBIDEF) X(STBI_ASSERT) X(STBI_EXTERN) X(STBI_FAILURE_USERMSG) \
  X(STBI_FREE) X(STBI_HAS_LROTL) X(STBI_INCLUDE_STB_IMAGE_H) X(STBI_MALLOC) X(STBI_MAX_DIMENSIONS) \
  X(STBI_MINGW_ENABLE_SSE2) X(STBI_NEON) X(STBI_NOTUSED) X(STBI_NO_BMP) X(STBI_NO_FAILURE_STRINGS) X(STBI_NO_GIF) \
  X(STBI_NO_HDR) X(STBI_NO_JPEG) X(STBI_NO_LINEAR) X(STBI_NO_PIC) X(STBI_NO_PNG) X(STBI_NO_PNM) X(STBI_NO_PSD) \
  X(STBI_NO_SIMD) X(STBI_NO_STDIO) X(STBI_NO_TGA) X(STBI_NO_THREAD_LOCALS) X(STBI_NO_ZLIB) X(STBI_ONLY_BMP) \
  X(STBI_ONLY_GIF) X(STBI_ONLY_HDR) X(STBI_ONLY_JPEG) X(STBI_ONLY_PIC) X(STBI_ONLY_PNG) X(STBI_ONLY_PNM) \
  X(STBI_ONLY_PSD) X(STBI_ONLY_TGA) X(STBI_ONLY_ZLIB) X(STBI_REALLOC) X(STBI_REALLOC_SIZED) X(STBI_SIMD_ALIGN) \
  X(STBI_SSE2) X(STBI_SUPPORT_ZLIB) X(STBI_THREAD_LOCAL) X(STBI_VERSION) X(STBI_WINDOWS_UTF8) X(STBI__BYTECAST) \
  X(STBI__CASE) X(STBI__COMBO) X(STBI__HDR_BUFLEN) X(STBI__IDCT_1D) X(STBI__MARKER_none) X(STBI__PNG_TYPE) \
  X(STBI__RESTART) X(STBI__X64_TARGET) X(STBI__X86_TARGET) X(STBI__ZFAST_BITS) X(STBI__ZFAST_MASK) X(STBI__ZNSYMS) \
  X(FAST_BITS) X(dct_bfly32o) X(dct_const) X(dct_interleave16) X(dct_interleave8) X(dct_long_mac) X(dct_long_mul) \
  X(dct_pass) X(dct_rot) X(dct_trn16) X(dct_trn32) X(dct_trn64) X(dct_trn8_16) X(dct_trn8_32) X(dct_trn8_8) \
  X(dct_wadd) X(dct_widen) X(dct_wsub) X(stbi__DNL) X(stbi__EOI) X(stbi__SOF) X(stbi__SOF_progressive) X(stbi__SOI) \
  X(stbi__SOS) X(stbi__de_iphone_flag) X(stbi__div16) X(stbi__div4) X(stbi__err) X(stbi__errpf) X(stbi__errpuc) \
  X(stbi__f2f) X(stbi__float2fixed) X(stbi__float2int) X(stbi__fsh) X(stbi__unpremultiply_on_load) \
  X(stbi__vertically_flip_on_load) X(stbi_inline) X(stbi_lrot)
// clang-format on

#if defined(_MSC_VER) && !defined(__clang__)
#define BEIT_STB_PRAGMA(text) __pragma(text)
#else
#define BEIT_STB_PRAGMA(text) _Pragma(#text)
#endif
#define BEIT_STB_PUSH(name) BEIT_STB_PRAGMA(push_macro(#name))
#define BEIT_STB_POP(name) BEIT_STB_PRAGMA(pop_macro(#name))
