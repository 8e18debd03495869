// Where the definitions are: in the headers, or in a library.
//
// By default everything is in the headers. A program that is compiled with BEIT_COMPILED, as those that use CMake's
// beit::compiled are, has declarations alone of what takes long to compile: kernels, decoders, JSON, and the models in
// every precision. src/beit.cpp, the library's one source file, has the definitions: those of the headers *_impl.hpp.
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
