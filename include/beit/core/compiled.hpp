// Chooses where the definitions are: in the headers or in a compiled library.
//
// By default everything is in the headers. A program compiled with BEIT_COMPILED, which CMake's target beit::compiled
// sets, sees only the declarations of whatever takes long to compile: kernels, decoders, JSON, and the models in every
// precision. The definitions are in the headers *_impl.hpp; src/beit.cpp, the library's one source file, compiles them.
#pragma once

#if defined(BEIT_COMPILED)
#define BEIT_INLINE
#else
#define BEIT_INLINE inline
#endif

#if defined(BEIT_COMPILED) && !defined(BEIT_COMPILING)
#define BEIT_HAS_DEFINITIONS 0
#else
#define BEIT_HAS_DEFINITIONS 1
#endif
