// Marks code that runs once, to be compiled for size instead of speed.
#pragma once

// BEIT_COLD belongs on functions that read a file's header or a model's configuration, or that end in an error, and
// never on work per pixel or weight. GCC's budget for inlining is a share of the size of all code that isn't cold:
// without the mark, this code would be inlined and would enlarge the budget, too.
#if defined(__GNUC__)
#define BEIT_COLD __attribute__((cold))
#else
#define BEIT_COLD
#endif
