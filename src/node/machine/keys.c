#include "node/machine/keys.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/cluster/slot.h"

#define HASH_BITS 48

static void add(struct storage_key *out, struct bytes bytes)
{
    Q_CHECK(out->size + bytes.size <= sizeof out->data);
    if (bytes.size > 0) {
        memcpy(out->data + out->size, bytes.data, bytes.size);
        out->size += bytes.size;
    }
}

/* Big endian, so that byte order is numeric order. */
static void add_uint(struct storage_key *out, uint64_t value, size_t width)
{
    Q_CHECK(out->size + width <= sizeof out->data);
    for (size_t i = 0; i < width; i++) {
        out->data[out->size++] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
}

uint64_t key_place(struct bytes key)
{
    const uint64_t hash = hash_bytes(key) >> (64 - HASH_BITS);
    return (uint64_t)slot_of_key(key) << HASH_BITS | hash;
}

void storage_key_space(struct storage_key *out, group_id group, enum space space)
{
    out->size = 0;
    add_uint(out, group, 4);
    add_uint(out, (uint64_t)space, 1);
}

void storage_key_meta(struct storage_key *out, group_id group)
{
    storage_key_space(out, group, SPACE_META);
    add(out, bytes_of_text("applied"));
}

void storage_key_at_place(struct storage_key *out, group_id group, uint64_t place)
{
    Q_CHECK(place < KEY_PLACE_END);
    storage_key_space(out, group, SPACE_KEY);
    add_uint(out, place, 8);
}

void storage_key_of(struct storage_key *out, group_id group, struct bytes key)
{
    storage_key_at_place(out, group, key_place(key));
    add(out, key);
}

void storage_key_element(struct storage_key *out, group_id group, struct bytes key, uint64_t seq)
{
    storage_key_space(out, group, SPACE_ELEMENT);
    add_uint(out, key_place(key), 8);
    add_uint(out, key.size, 2);
    add(out, key);
    add_uint(out, seq, 8);
}

void storage_key_id(struct storage_key *out,
                    group_id group,
                    struct bytes first_key,
                    struct bytes id)
{
    storage_key_space(out, group, SPACE_ID);
    add_uint(out, slot_of_key(first_key), 2);
    add(out, id);
}

void storage_key_id_order(struct storage_key *out,
                          group_id group,
                          uint64_t unix_ms,
                          struct bytes id_key)
{
    Q_CHECK(id_key.size > 5);
    storage_key_space(out, group, SPACE_ID_ORDER);
    add_uint(out, unix_ms, 8);
    add(out, bytes_of(id_key.data + 5, id_key.size - 5));
}

bool storage_key_split(struct bytes storage_key, uint64_t *out_place, struct bytes *out_key)
{
    const size_t prefix = 4 + 1 + 8;
    if (storage_key.size < prefix || storage_key.data[4] != SPACE_KEY) {
        return false;
    }
    uint64_t place = 0;
    for (size_t i = 0; i < 8; i++) {
        place = place << 8 | storage_key.data[5 + i];
    }
    *out_place = place;
    *out_key = bytes_of(storage_key.data + prefix, storage_key.size - prefix);
    return true;
}
