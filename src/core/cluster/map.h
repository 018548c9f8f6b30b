/* The cluster map: which addresses form the cluster, and the nonce that proves each one's identity.
 *
 * A node's id is its place in the map, from 1. Map 1 is the sorted static list with one nonce per
 * address; the cluster id is a hash of map 1, so two clusters can never share one by accident.
 *
 * Everything here is a pure value; the caller owns it.
 */
#ifndef Q_CORE_CLUSTER_MAP_H
#define Q_CORE_CLUSTER_MAP_H

#include "base/cursor.h"
#include "base/ids.h"
#include "base/limits.h"

/* host:port and a terminator: 255 bytes of DNS name, ':', five digits. */
#define CLUSTER_ADDRESS_SIZE_MAX 262

/* A terminated text. */
struct cluster_address {
    char text[CLUSTER_ADDRESS_SIZE_MAX];
};

/* The addresses of a cluster. Invariant after cluster_list_sort: sorted, distinct, 1..NODES_MAX. */
struct cluster_list {
    struct cluster_address addresses[NODES_MAX];
    size_t count;
};

/* Version 0 = there is no map. Otherwise `nonces` has one non-zero entry per address. */
struct cluster_map {
    uint64_t version;
    uint64_t cluster_id; /* cluster_map_id of map 1; never 0. */
    struct cluster_list list;
    uint64_t nonces[NODES_MAX];
};

/* An encoded list is a u8 count and sized (u16) texts; a map adds version, id and nonces. */
#define CLUSTER_LIST_ENCODED_MAX (1 + NODES_MAX * (2 + CLUSTER_ADDRESS_SIZE_MAX))
#define CLUSTER_MAP_ENCODED_MAX  (16 + CLUSTER_LIST_ENCODED_MAX + NODES_MAX * 8)

/* Copies a terminated or bounded text. Q_OK; Q_EINVAL unless it is host:port, the host of
 * 1..255 printable characters without blanks or commas, the port 1..65535 without leading zeros. */
int cluster_address_set(struct cluster_address *address, struct bytes text);
/* Borrowed. Cannot fail. */
struct bytes cluster_address_bytes(const struct cluster_address *address);

/* Order of addresses: host bytes, then port as a number. <0, 0, >0. */
int cluster_address_compare(const struct cluster_address *a, const struct cluster_address *b);

/* Sorts in place. Q_OK; Q_EINVAL when the list is empty, too long, or names an address twice. */
int cluster_list_sort(struct cluster_list *list);
/* The id of an address, NODE_NONE when it is not in the list. */
node_id cluster_list_find(const struct cluster_list *list, struct bytes address);
bool cluster_list_equal(const struct cluster_list *a, const struct cluster_list *b);
/* Never 0, so that 0 can mean "none". */
uint64_t cluster_list_hash(const struct cluster_list *list);

/* The cluster id that this map has as map 1: a hash of its addresses and nonces. Never 0. */
uint64_t cluster_map_id(const struct cluster_map *map);

void cluster_list_write(struct writer *w, const struct cluster_list *list);
/* Sets r->failed on anything but a sorted list of distinct well-formed addresses. */
void cluster_list_read(struct reader *r, struct cluster_list *out_list);
void cluster_map_write(struct writer *w, const struct cluster_map *map);
/* Also checks that nonces are not 0 and that the id of map 1 is its hash. */
void cluster_map_read(struct reader *r, struct cluster_map *out_map);

#endif
