/* Hash slots exactly as Redis Cluster computes them, so that cluster-aware clients agree with us.
 *
 * slot = CRC16(key) mod 16384, where CRC16 is the XMODEM variant (polynomial 0x1021, initial value
 * 0, no reflection). When a key holds a `{` with a `}` behind it and at least one byte between the
 * first `{` and the first `}` after it, only those bytes are hashed, so that users can put keys
 * together. (Redis Cluster specification, "Hash tags".) Pure.
 */
#ifndef Q_CORE_CLUSTER_SLOT_H
#define Q_CORE_CLUSTER_SLOT_H

#include "base/bytes.h"

#define SLOT_COUNT 16384

uint16_t slot_crc16(struct bytes bytes);
/* 0..SLOT_COUNT - 1. Cannot fail. */
uint16_t slot_of_key(struct bytes key);

#endif
