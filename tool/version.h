/* version.h: what was built, and how. The Makefile gives the macros. */
#ifndef TINYGRAM_VERSION_H
#define TINYGRAM_VERSION_H

#ifndef TINYGRAM_VERSION
#define TINYGRAM_VERSION "unknown"
#endif

#ifndef TINYGRAM_CFLAGS
#define TINYGRAM_CFLAGS "unknown"
#endif

#if defined __clang__
#define TINYGRAM_COMPILER "clang " __clang_version__
#else
#define TINYGRAM_COMPILER "gcc " __VERSION__
#endif

#endif
