#include "base/hash.h"

/* Inlined so that the object needs nothing from outside (scripts/purity.sh). */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(struct bytes bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

uint64_t hash_bytes_seeded(struct bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}
