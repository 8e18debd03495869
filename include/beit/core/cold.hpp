// What runs once.
#pragma once

// Marks functions that read a file's header or a model's configuration, or end in an error: they are compiled to be
// small, not fast. GCC inlines until a program has grown by a share of all that isn't cold, so that these would be paid
// for twice. Not for what is done for each pixel or weight.
#if defined(__GNUC__)
#define BEIT_COLD __attribute__((cold))
#else
#define BEIT_COLD
#endif
