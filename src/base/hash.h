/* 64-bit hash and checksum of bytes (XXH3). Stable across machines: it is part of stored formats.
 */
#ifndef Q_BASE_HASH_H
#define Q_BASE_HASH_H

#include "base/bytes.h"

uint64_t hash_bytes(struct bytes bytes);
/* Folds `seed` in, to chain checksums or bind them to a place. */
uint64_t hash_bytes_seeded(struct bytes bytes, uint64_t seed);

#endif
