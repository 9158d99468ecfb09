#include <xxhash.h>

// The shared library picks the widest vectors the processor has at run time; the plain functions
// are compiled for the oldest processor. Same hashes, several times the speed.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif
