#include "core/cluster/boot.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/plant.h"

#define HELLO_ASKS 1u /* The sender wants a hello back. */
#define HELLO_MAP  2u /* A map follows, not a list with the nonces heard so far. */

/* A decoded HELLO. Layout: u8 flags, u16-sized own address, u64 own nonce, u64 own round, then with
 * HELLO_MAP a map, else a list and for each address the u64 nonce known (0 = not heard yet); at the
 * end for each address the u64 round last heard. */
struct hello {
    bool asks;
    bool has_map;
    struct cluster_address self;
    uint64_t nonce;
    uint64_t round;
    struct cluster_map map; /* Without HELLO_MAP: version 0, list and nonces as sent. */
    uint64_t rounds[NODES_MAX];
};

/* --- Texts ------------------------------------------------------------------------------------ */

struct text {
    char *out;
    size_t size; /* Room, terminator included. */
    size_t used;
};

static void text_bytes(struct text *text, struct bytes bytes)
{
    const size_t room = text->size - 1 - text->used;
    const size_t size = bytes.size < room ? bytes.size : room;
    if (size > 0) {
        memcpy(text->out + text->used, bytes.data, size);
    }
    text->used += size;
    text->out[text->used] = '\0';
}

static struct text text_of(char *out, size_t size)
{
    Q_CHECK(size > 0);
    out[0] = '\0';
    return (struct text){.out = out, .size = size, .used = 0};
}

/* Literals only; sizeof keeps strlen out of core. */
#define TEXT(text, literal) text_bytes((text), bytes_of((literal), sizeof(literal) - 1))

static void text_address(struct text *text, const struct cluster_address *address)
{
    text_bytes(text, cluster_address_bytes(address));
}

static void text_list(struct text *text, const struct cluster_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            TEXT(text, ",");
        }
        text_address(text, &list->addresses[i]);
    }
}

static void text_hex(struct text *text, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    char out[16];
    for (size_t i = 0; i < sizeof out; i++) {
        out[i] = digits[value >> (60 - 4 * i) & 15];
    }
    text_bytes(text, bytes_of(out, sizeof out));
}

/* --- Complaints ------------------------------------------------------------------------------- */

/* Shows `complaint` from now on, and asks for a log line when there was none of late: two peers
 * that complain by turns would otherwise fill the log at the pace of their hellos. */
static void complain(struct boot *boot,
                     uint64_t now_ms,
                     const struct text *complaint,
                     struct boot_effects *effects)
{
    const struct bytes text = bytes_of(complaint->out, complaint->used + 1);
    Q_CHECK(text.size <= sizeof boot->complaint);
    const bool complained =
        boot->complaint[0] != '\0' && now_ms < boot->complaint_at_ms + BOOT_COMPLAINT_KEEP_MS;
    memcpy(boot->complaint, text.data, text.size);
    boot->complaint_at_ms = now_ms;
    if (!complained) {
        effects->log = true;
        boot->log_at_ms = now_ms + BOOT_LOG_EVERY_MS;
    }
}

static void complain_lists_differ(struct boot *boot,
                                  uint64_t now_ms,
                                  const struct hello *hello,
                                  struct boot_effects *effects)
{
    char memory[BOOT_TEXT_SIZE_MAX];
    struct text text = text_of(memory, sizeof memory);
    TEXT(&text, "this node (");
    text_address(&text, &boot->config.self);
    TEXT(&text, ") was started with the list ");
    text_list(&text, &boot->config.list);
    TEXT(&text, ", but ");
    text_address(&text, &hello->self);
    TEXT(&text, " with ");
    text_list(&text, &hello->map.list);
    TEXT(&text, ": start both with the same list");
    complain(boot, now_ms, &text, effects);
}

static void complain_clusters_differ(struct boot *boot,
                                     uint64_t now_ms,
                                     const struct hello *hello,
                                     struct boot_effects *effects)
{
    char memory[BOOT_TEXT_SIZE_MAX];
    struct text text = text_of(memory, sizeof memory);
    TEXT(&text, "this node (");
    text_address(&text, &boot->config.self);
    TEXT(&text, ") belongs to cluster ");
    text_hex(&text, boot->map.cluster_id);
    TEXT(&text, ", but ");
    text_address(&text, &hello->self);
    TEXT(&text, " to cluster ");
    text_hex(&text, hello->map.cluster_id);
    TEXT(&text, ": one of the two was started on the wrong data directory or address");
    complain(boot, now_ms, &text, effects);
}

/* Own disk is new, but the cluster of the sender knows this address by another disk. */
static void complain_disk_lost(struct boot *boot,
                               uint64_t now_ms,
                               const struct hello *hello,
                               struct boot_effects *effects)
{
    char memory[BOOT_TEXT_SIZE_MAX];
    struct text text = text_of(memory, sizeof memory);
    TEXT(&text, "this node's disk was lost or replaced: ");
    text_address(&text, &hello->self);
    TEXT(&text, " of cluster ");
    text_hex(&text, hello->map.cluster_id);
    TEXT(&text, " knows ");
    text_address(&text, &boot->config.self);
    TEXT(&text,
         " by another data directory, and its old identity cannot be resumed by an empty one: "
         "start it on its old data directory, or all nodes on empty ones for a new cluster");
    complain(boot, now_ms, &text, effects);
}

static void complain_not_listed(struct boot *boot,
                                uint64_t now_ms,
                                const struct hello *hello,
                                struct boot_effects *effects)
{
    char memory[BOOT_TEXT_SIZE_MAX];
    struct text text = text_of(memory, sizeof memory);
    TEXT(&text, "this node (");
    text_address(&text, &boot->config.self);
    TEXT(&text, ") is not a member of cluster ");
    text_hex(&text, hello->map.cluster_id);
    TEXT(&text, ", whose member ");
    text_address(&text, &hello->self);
    TEXT(&text, " lists ");
    text_list(&text, &hello->map.list);
    TEXT(&text, ": correct the list of this node");
    complain(boot, now_ms, &text, effects);
}

/* This node has a map; the sender has an empty disk that the map does not know. */
static void complain_stranger(struct boot *boot,
                              uint64_t now_ms,
                              const struct hello *hello,
                              struct boot_effects *effects)
{
    char memory[BOOT_TEXT_SIZE_MAX];
    struct text text = text_of(memory, sizeof memory);
    text_address(&text, &hello->self);
    if (cluster_list_find(&boot->map.list, cluster_address_bytes(&hello->self)) == NODE_NONE) {
        TEXT(&text, " wants to boot with this node (");
        text_address(&text, &boot->config.self);
        TEXT(&text, ") but is not a member of its cluster ");
        text_hex(&text, boot->map.cluster_id);
        TEXT(&text, " of ");
        text_list(&text, &boot->map.list);
        TEXT(&text, ": correct the list of that node");
    } else {
        TEXT(&text, " came back with an empty data directory, but this node (");
        text_address(&text, &boot->config.self);
        TEXT(&text, ") and cluster ");
        text_hex(&text, boot->map.cluster_id);
        TEXT(&text,
             " know it by another one: its disk was lost or replaced and its old identity cannot "
             "be resumed; start it on its old data directory");
    }
    complain(boot, now_ms, &text, effects);
}

static void complain_twin(struct boot *boot, uint64_t now_ms, struct boot_effects *effects)
{
    char memory[BOOT_TEXT_SIZE_MAX];
    struct text text = text_of(memory, sizeof memory);
    TEXT(&text, "another node also calls itself ");
    text_address(&text, &boot->config.self);
    TEXT(&text, ": give each node its own address and data directory");
    complain(boot, now_ms, &text, effects);
}

/* --- Messages --------------------------------------------------------------------------------- */

void boot_write_hello(const struct boot *boot, bool asks, struct writer *w)
{
    /* A map that is not durable here is not spoken of yet: this node might forget it. */
    const bool has_map = boot->state == BOOT_DONE;
    const struct bytes self = cluster_address_bytes(&boot->config.self);
    write_u8(w, (uint8_t)((asks ? HELLO_ASKS : 0) | (has_map ? HELLO_MAP : 0)));
    write_u16(w, (uint16_t)self.size);
    write_bytes(w, self);
    write_u64(w, boot->config.nonce);
    write_u64(w, boot->round);
    if (has_map) {
        cluster_map_write(w, &boot->map);
    } else {
        cluster_list_write(w, &boot->config.list);
        for (size_t i = 0; i < boot->config.list.count; i++) {
            write_u64(w, boot->known[i]);
        }
    }
    for (size_t i = 0; i < boot->config.list.count; i++) {
        write_u64(w, boot->rounds[i]);
    }
}

/* Says what it does: the sender is in its own list, under its own nonce. */
static bool hello_is_consistent(const struct hello *hello)
{
    const node_id id = cluster_list_find(&hello->map.list, cluster_address_bytes(&hello->self));
    return hello->nonce != 0 && id != NODE_NONE && hello->map.nonces[id - 1] == hello->nonce;
}

static int hello_read(struct bytes body, struct hello *out_hello)
{
    struct reader r = reader_of(body);
    const uint8_t flags = read_u8(&r);
    const size_t size = read_u16(&r);
    const struct bytes self = read_bytes(&r, size);
    if (r.failed || (flags & ~(HELLO_ASKS | HELLO_MAP)) != 0 ||
        cluster_address_set(&out_hello->self, self) != Q_OK) {
        return Q_EPROTO;
    }
    out_hello->asks = (flags & HELLO_ASKS) != 0;
    out_hello->has_map = (flags & HELLO_MAP) != 0;
    out_hello->nonce = read_u64(&r);
    out_hello->round = read_u64(&r);
    if (out_hello->has_map) {
        cluster_map_read(&r, &out_hello->map);
    } else {
        out_hello->map.version = 0;
        out_hello->map.cluster_id = 0;
        cluster_list_read(&r, &out_hello->map.list);
        for (size_t i = 0; i < out_hello->map.list.count && !r.failed; i++) {
            out_hello->map.nonces[i] = read_u64(&r);
        }
    }
    for (size_t i = 0; i < out_hello->map.list.count && !r.failed; i++) {
        out_hello->rounds[i] = read_u64(&r);
    }
    return reader_is_done(&r) && hello_is_consistent(out_hello) ? Q_OK : Q_EPROTO;
}

/* --- Protocol --------------------------------------------------------------------------------- */

/* All invariants. */
static void boot_check(const struct boot *boot)
{
    const struct cluster_list *list = &boot->config.list;
    Q_CHECK(list->count >= 1 && list->count <= NODES_MAX);
    Q_CHECK(boot->self >= 1 && boot->self <= list->count);
    Q_CHECK(boot->config.nonce != 0);
    Q_CHECK(boot->known[boot->self - 1] == boot->config.nonce || Q_PLANT(EMPTYDISK));
    if (boot->state != BOOT_WAITING) {
        Q_CHECK(boot->map.version > 0 && boot->map.list.count == list->count);
        Q_CHECK(boot->map.nonces[boot->self - 1] == boot->config.nonce || Q_PLANT(OTHERDISK) ||
                Q_PLANT(EMPTYDISK));
    }
}

int boot_init(struct boot *boot,
              const struct boot_config *config,
              uint64_t now_ms,
              char *error,
              size_t error_size)
{
    Q_CHECK(config->nonce != 0);
    struct text text = text_of(error, error_size);
    const struct bytes self = cluster_address_bytes(&config->self);
    const bool has_map = config->map.version > 0;
    const struct cluster_list *list = has_map ? &config->map.list : &config->list;
    const node_id id = cluster_list_find(list, self);

    if (has_map &&
        (id == NODE_NONE || (config->map.nonces[id - 1] != config->nonce && !Q_PLANT(OTHERDISK)))) {
        TEXT(&text, "the data directory belongs to another member of cluster ");
        text_hex(&text, config->map.cluster_id);
        TEXT(&text, " than ");
        text_bytes(&text, self);
        TEXT(&text, ": members are ");
        text_list(&text, list);
        TEXT(&text, "; start each node with the directory and address it had");
        return Q_EINVAL;
    }
    if (id == NODE_NONE) {
        TEXT(&text, "the node's own address ");
        text_bytes(&text, self);
        TEXT(&text, " is not in its list ");
        text_list(&text, list);
        TEXT(&text, ": add it, spelled the same way");
        return Q_EINVAL;
    }
    memset(boot, 0, sizeof *boot);
    boot->config = *config;
    boot->config.list = *list;
    boot->self = id;
    boot->known[id - 1] = config->nonce;
    boot->round = config->run;
    boot->hello_at_ms = now_ms;
    boot->log_at_ms = now_ms + BOOT_LOG_EVERY_MS;
    if (has_map) {
        Q_MARK(BOOT_REMEMBERED);
        boot->state = BOOT_DONE;
        boot->map = config->map;
    }
    boot_check(boot);
    return Q_OK;
}

static bool knows_all(const struct boot *boot)
{
    for (size_t i = 0; i < boot->config.list.count; i++) {
        if (boot->known[i] == 0) {
            return false;
        }
    }
    return true;
}

static bool all_agree(const struct boot *boot)
{
    for (size_t i = 0; i < boot->config.list.count; i++) {
        if (!boot->agrees[i] && !Q_PLANT(BOOTTWICE) && i + 1 != boot->self) {
            return false;
        }
    }
    return knows_all(boot);
}

static void send_to_all(const struct boot *boot, struct boot_effects *effects)
{
    effects->send_count = 0;
    for (size_t i = 0; i < boot->config.list.count; i++) {
        if (i + 1 != boot->self && !boot->answered[i]) {
            effects->send[effects->send_count++] = (node_id)(i + 1);
        }
    }
}

/* Writes map 1 once everybody is known to know the same nonces. */
static void try_to_form(struct boot *boot, struct boot_effects *effects)
{
    if (boot->state != BOOT_WAITING || !all_agree(boot)) {
        return;
    }
    Q_MARK(BOOT_FORMED);
    memset(&boot->map, 0, sizeof boot->map);
    boot->map.version = 1;
    boot->map.list = boot->config.list;
    memcpy(boot->map.nonces, boot->known, sizeof boot->map.nonces);
    boot->map.cluster_id = cluster_map_id(&boot->map);
    boot->state = BOOT_STORING;
    effects->store_map = true;
    effects->log = true;
}

/* Neither side has a map. */
static void hear_waiting(struct boot *boot,
                         uint64_t now_ms,
                         const struct hello *hello,
                         struct boot_effects *effects)
{
    if (!cluster_list_equal(&boot->config.list, &hello->map.list)) {
        complain_lists_differ(boot, now_ms, hello, effects);
        return;
    }
    const node_id from = cluster_list_find(&boot->config.list, cluster_address_bytes(&hello->self));
    Q_CHECK(from != NODE_NONE);
    if (from == boot->self) {
        if (hello->nonce != boot->config.nonce) {
            complain_twin(boot, now_ms, effects);
        }
        return;
    }
    const size_t i = from - 1;
    boot->rounds[i] = hello->round;
    if (boot->known[i] != hello->nonce) {
        /* A nonce that is new or changes restarts the count. */
        boot->known[i] = hello->nonce;
        boot->round++;
        memset(boot->agrees, 0, sizeof boot->agrees);
        send_to_all(boot, effects); /* So that agreement does not wait for the next tick. */
    }
    boot->agrees[i] = hello->rounds[boot->self - 1] == boot->round &&
                      memcmp(boot->known, hello->map.nonces,
                             boot->config.list.count * sizeof boot->known[0]) == 0;
    Q_MARK_IF(BOOT_NOT_YET_AGREED, knows_all(boot) && !boot->agrees[i]);
    try_to_form(boot, effects);
}

/* The sender has a map and this node has none. */
static void hear_map(struct boot *boot,
                     uint64_t now_ms,
                     const struct hello *hello,
                     struct boot_effects *effects)
{
    const struct cluster_map *map = &hello->map;
    const node_id self = cluster_list_find(&map->list, cluster_address_bytes(&boot->config.self));
    if (self == NODE_NONE) {
        complain_not_listed(boot, now_ms, hello, effects);
        return;
    }
    if (map->nonces[self - 1] != boot->config.nonce && !Q_PLANT(EMPTYDISK)) {
        complain_disk_lost(boot, now_ms, hello, effects);
        return;
    }
    if (hello->rounds[self - 1] != boot->round) {
        Q_MARK(BOOT_MAP_UNASKED);
        return; /* Not an answer to us: perhaps of a node that is no more. The next one will be. */
    }
    Q_MARK(BOOT_ADOPTED);
    boot->map = *map;
    boot->config.list = map->list;
    boot->self = self;
    memset(boot->known, 0, sizeof boot->known);
    memcpy(boot->known, map->nonces, map->list.count * sizeof map->nonces[0]);
    boot->adopted = true;
    boot->state = BOOT_STORING;
    effects->store_map = true;
    effects->log = true;
}

/* This node has a map. */
static void hear_done(struct boot *boot,
                      uint64_t now_ms,
                      const struct hello *hello,
                      struct boot_effects *effects)
{
    const node_id from = cluster_list_find(&boot->map.list, cluster_address_bytes(&hello->self));
    if (hello->has_map && hello->map.cluster_id != boot->map.cluster_id) {
        complain_clusters_differ(boot, now_ms, hello, effects);
        return;
    }
    if (from == boot->self) {
        if (hello->nonce != boot->config.nonce) {
            complain_twin(boot, now_ms, effects);
        }
        return;
    }
    if (from == NODE_NONE || boot->map.nonces[from - 1] != hello->nonce) {
        complain_stranger(boot, now_ms, hello, effects);
        return;
    }
    Q_MARK_IF(BOOT_HELLO_BEFORE_MAP, !hello->has_map);
    boot->answered[from - 1] = hello->has_map;
    boot->rounds[from - 1] = hello->round;
}

void boot_tick(struct boot *boot, uint64_t now_ms, struct boot_effects *effects)
{
    memset(effects, 0, sizeof *effects);
    boot_check(boot);
    try_to_form(boot, effects); /* A list of one has nobody to hear from. */
    if (now_ms >= boot->hello_at_ms) {
        send_to_all(boot, effects);
        boot->hello_at_ms =
            now_ms + (boot->state == BOOT_DONE ? BOOT_HELLO_EVERY_DONE_MS : BOOT_HELLO_EVERY_MS);
    }
    const bool complains =
        boot->complaint[0] != '\0' && now_ms < boot->complaint_at_ms + BOOT_COMPLAINT_KEEP_MS;
    if (now_ms >= boot->log_at_ms) {
        effects->log = effects->log || boot->state == BOOT_WAITING || complains;
        boot->log_at_ms = now_ms + BOOT_LOG_EVERY_MS;
    }
}

int boot_receive(struct boot *boot,
                 uint64_t now_ms,
                 struct bytes body,
                 struct boot_effects *effects)
{
    struct hello hello;
    memset(effects, 0, sizeof *effects);
    memset(&hello, 0, sizeof hello);
    const int result = hello_read(body, &hello);
    if (result != Q_OK) {
        return result;
    }
    effects->reply = hello.asks;
    switch (boot->state) {
    case BOOT_WAITING:
        if (hello.has_map) {
            hear_map(boot, now_ms, &hello, effects);
        } else {
            hear_waiting(boot, now_ms, &hello, effects);
        }
        break;
    case BOOT_STORING:
    case BOOT_DONE: hear_done(boot, now_ms, &hello, effects); break;
    }
    boot_check(boot);
    return Q_OK;
}

void boot_map_stored(struct boot *boot)
{
    Q_CHECK(boot->state == BOOT_STORING);
    boot->state = BOOT_DONE;
    boot->hello_at_ms = 0; /* The others may be waiting for the map. */
    boot_check(boot);
}

uint64_t boot_next_deadline(const struct boot *boot)
{
    return boot->hello_at_ms < boot->log_at_ms ? boot->hello_at_ms : boot->log_at_ms;
}

size_t boot_text(const struct boot *boot, uint64_t now_ms, char *out_text, size_t size)
{
    struct text text = text_of(out_text, size);
    if (boot->complaint[0] != '\0' && now_ms < boot->complaint_at_ms + BOOT_COMPLAINT_KEEP_MS) {
        const char *end = memchr(boot->complaint, '\0', sizeof boot->complaint);
        text_bytes(&text, bytes_of(boot->complaint, (size_t)(end - boot->complaint)));
        return text.used;
    }
    if (boot->state != BOOT_WAITING) {
        return 0;
    }
    const bool missing = !knows_all(boot);
    TEXT(&text, "waiting for ");
    bool first = true;
    for (size_t i = 0; i < boot->config.list.count; i++) {
        if (missing ? boot->known[i] == 0 : i + 1 != boot->self && !boot->agrees[i]) {
            if (!first) {
                TEXT(&text, ", ");
            }
            text_address(&text, &boot->config.list.addresses[i]);
            first = false;
        }
    }
    if (missing) {
        TEXT(&text, ": not heard from yet");
    } else {
        TEXT(&text, ": to confirm the members");
    }
    return text.used;
}
