#include "core/cluster/map.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"

#define HOST_SIZE_MAX 255
#define PORT_MAX      65535

struct address_parts {
    struct bytes host;
    uint32_t port;
};

/* strlen would be a library call that the purity check does not allow; memchr is. */
struct bytes cluster_address_bytes(const struct cluster_address *address)
{
    const char *end = memchr(address->text, '\0', sizeof address->text);
    Q_CHECK(end != NULL);
    return bytes_of(address->text, (size_t)(end - address->text));
}

static bool parse_port(struct bytes text, uint32_t *out_port)
{
    int64_t port = 0;
    if (!bytes_to_int64(text, &port) || port < 1 || port > PORT_MAX) {
        return false;
    }
    *out_port = (uint32_t)port;
    return true;
}

static bool split(struct bytes text, struct address_parts *out_parts)
{
    size_t colon = text.size;
    for (size_t i = text.size; i > 0; i--) {
        if (text.data[i - 1] == ':') {
            colon = i - 1;
            break;
        }
    }
    if (colon == text.size || colon == 0 || colon > HOST_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < colon; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f || text.data[i] == ',') {
            return false;
        }
    }
    out_parts->host = bytes_of(text.data, colon);
    return parse_port(bytes_of(text.data + colon + 1, text.size - colon - 1), &out_parts->port);
}

int cluster_address_set(struct cluster_address *address, struct bytes text)
{
    struct address_parts parts;
    if (text.size >= sizeof address->text || !split(text, &parts)) {
        return Q_EINVAL;
    }
    /* The rest is zeroed so that addresses may be compared and hashed as memory. */
    memset(address->text, 0, sizeof address->text);
    memcpy(address->text, text.data, text.size);
    return Q_OK;
}

int cluster_address_compare(const struct cluster_address *a, const struct cluster_address *b)
{
    struct address_parts left;
    struct address_parts right;
    const bool valid =
        split(cluster_address_bytes(a), &left) && split(cluster_address_bytes(b), &right);
    Q_CHECK(valid);
    const int order = bytes_compare(left.host, right.host);
    if (order != 0) {
        return order;
    }
    return left.port < right.port ? -1 : left.port > right.port;
}

int cluster_list_sort(struct cluster_list *list)
{
    if (list->count == 0 || list->count > NODES_MAX) {
        return Q_EINVAL;
    }
    /* Insertion sort: at most NODES_MAX addresses. */
    for (size_t i = 1; i < list->count; i++) {
        const struct cluster_address moving = list->addresses[i];
        size_t at = i;
        for (; at > 0 && cluster_address_compare(&moving, &list->addresses[at - 1]) < 0; at--) {
            list->addresses[at] = list->addresses[at - 1];
        }
        list->addresses[at] = moving;
    }
    for (size_t i = 1; i < list->count; i++) {
        if (cluster_address_compare(&list->addresses[i - 1], &list->addresses[i]) == 0) {
            return Q_EINVAL;
        }
    }
    return Q_OK;
}

node_id cluster_list_find(const struct cluster_list *list, struct bytes address)
{
    Q_CHECK(list->count <= NODES_MAX);
    for (size_t i = 0; i < list->count; i++) {
        if (bytes_equal(cluster_address_bytes(&list->addresses[i]), address)) {
            return (node_id)(i + 1);
        }
    }
    return NODE_NONE;
}

bool cluster_list_equal(const struct cluster_list *a, const struct cluster_list *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!bytes_equal(cluster_address_bytes(&a->addresses[i]),
                         cluster_address_bytes(&b->addresses[i]))) {
            return false;
        }
    }
    return true;
}

static uint64_t never_zero(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

uint64_t cluster_list_hash(const struct cluster_list *list)
{
    uint8_t memory[CLUSTER_LIST_ENCODED_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    cluster_list_write(&w, list);
    Q_CHECK(!w.failed);
    return never_zero(hash_bytes(bytes_of(memory, writer_size(&w))));
}

uint64_t cluster_map_id(const struct cluster_map *map)
{
    uint8_t memory[CLUSTER_MAP_ENCODED_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    cluster_list_write(&w, &map->list);
    for (size_t i = 0; i < map->list.count; i++) {
        write_u64(&w, map->nonces[i]);
    }
    Q_CHECK(!w.failed);
    return never_zero(hash_bytes(bytes_of(memory, writer_size(&w))));
}

void cluster_list_write(struct writer *w, const struct cluster_list *list)
{
    Q_CHECK(list->count <= NODES_MAX);
    write_u8(w, (uint8_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct bytes text = cluster_address_bytes(&list->addresses[i]);
        write_u16(w, (uint16_t)text.size);
        write_bytes(w, text);
    }
}

void cluster_list_read(struct reader *r, struct cluster_list *out_list)
{
    const size_t count = read_u8(r);
    if (count == 0 || count > NODES_MAX) {
        r->failed = true;
    }
    out_list->count = 0;
    for (size_t i = 0; i < count && !r->failed; i++) {
        const size_t size = read_u16(r);
        const struct bytes text = read_bytes(r, size);
        if (r->failed || cluster_address_set(&out_list->addresses[i], text) != Q_OK) {
            r->failed = true;
            return;
        }
        out_list->count++;
        if (i > 0 &&
            cluster_address_compare(&out_list->addresses[i - 1], &out_list->addresses[i]) >= 0) {
            r->failed = true;
        }
    }
}

void cluster_map_write(struct writer *w, const struct cluster_map *map)
{
    Q_CHECK(map->version > 0 && map->cluster_id != 0);
    write_u64(w, map->version);
    write_u64(w, map->cluster_id);
    cluster_list_write(w, &map->list);
    for (size_t i = 0; i < map->list.count; i++) {
        write_u64(w, map->nonces[i]);
    }
}

void cluster_map_read(struct reader *r, struct cluster_map *out_map)
{
    out_map->version = read_u64(r);
    out_map->cluster_id = read_u64(r);
    cluster_list_read(r, &out_map->list);
    for (size_t i = 0; i < out_map->list.count && !r->failed; i++) {
        out_map->nonces[i] = read_u64(r);
        if (out_map->nonces[i] == 0) {
            r->failed = true;
        }
    }
    if (r->failed || out_map->version == 0 || out_map->cluster_id == 0 ||
        (out_map->version == 1 && out_map->cluster_id != cluster_map_id(out_map))) {
        r->failed = true;
    }
}
