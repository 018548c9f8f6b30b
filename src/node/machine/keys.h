/* Where a shard's state lives in the storage engine: the layout of storage keys and values.
 *
 *   [group u32 BE][space u8] ...
 *     space 0  META     "applied" -> applied index, term, shard time and counters (struct
 * shard_meta) space 1  KEY      [slot u16 BE][hash u48 BE][key]                -> value header,
 * contents space 2  ELEMENT  [slot][hash][key size u16 BE][key][seq u64 BE] -> element of a list
 *     space 3  ID       [slot][request id]                             -> first reply
 *     space 4  ID ORDER [unix ms u64 BE][slot][request id]             -> size of the row (u32)
 *
 * Keys are ordered by hash slot and then by a 48-bit hash, so that a slot can be moved as one range
 * and SCAN needs no state: its cursor is 14 + 48 bits of the place it stopped at. Keys with the
 * same 62 bits are always returned together. The applied index lives in the same column family and
 * batch as the data it describes (docs/decisions).
 *
 *   value header: type u8 ('S' string, 'L' list), flags u8 (0), hlc u64 of the entry that wrote it
 *   string: header, bytes        list: header, count u64, head u64, tail u64 (seq in [head, tail))
 */
#ifndef Q_NODE_MACHINE_KEYS_H
#define Q_NODE_MACHINE_KEYS_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"

#include <stdbool.h>

enum space {
    SPACE_META = 0,
    SPACE_KEY = 1,
    SPACE_ELEMENT = 2,
    SPACE_ID = 3,
    SPACE_ID_ORDER = 4,
    SPACE_END = 5
};

#define STORAGE_KEY_MAX (KEY_SIZE_MAX + 64)

/* A storage key under construction. */
struct storage_key {
    uint8_t data[STORAGE_KEY_MAX];
    size_t size;
};

static inline struct bytes storage_key_bytes(const struct storage_key *key)
{
    return (struct bytes){.data = key->data, .size = key->size};
}

/* Where a key stands in the order of SCAN: slot << 48 | hash. Below 2^62. */
uint64_t key_place(struct bytes key);
#define KEY_PLACE_END ((uint64_t)1 << 62)

void storage_key_meta(struct storage_key *out, group_id group);
void storage_key_of(struct storage_key *out, group_id group, struct bytes key);
/* The first possible storage key at a place. */
void storage_key_at_place(struct storage_key *out, group_id group, uint64_t place);
void storage_key_element(struct storage_key *out, group_id group, struct bytes key, uint64_t seq);
void storage_key_id(struct storage_key *out,
                    group_id group,
                    struct bytes first_key,
                    struct bytes id);
void storage_key_id_order(struct storage_key *out,
                          group_id group,
                          uint64_t unix_ms,
                          struct bytes id_key);
/* The start of a space; SPACE_END for the end of the group. */
void storage_key_space(struct storage_key *out, group_id group, enum space space);
/* Takes a KEY storage key apart; the key is borrowed from it. False when malformed. */
bool storage_key_split(struct bytes storage_key, uint64_t *out_place, struct bytes *out_key);

#define VALUE_HEADER_SIZE 10
#define VALUE_STRING      'S'
#define VALUE_LIST        'L'

#endif
