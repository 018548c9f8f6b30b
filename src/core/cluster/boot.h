/* Boot from a static list: turns equal lists on empty disks into one cluster with one identity.
 *
 * DESIGN
 *
 * Every node is started with the same list of peer addresses, in any order and at any time. A node
 * with an empty disk draws a random nonce, stores it, and says HELLO to all the others every 100 ms
 * (protocols section 3, `--bootstrap all`). A hello carries the sender's list and the nonce it
 * knows for each address. A node writes map 1 = list + nonces when it knows all nonces AND every
 * other node has agreed: said that it knows exactly the same ones, after it had heard that this
 * node does. Knowing the nonces alone would not do: a node that heard an old nonce and one that
 * heard the nonce of the replaced disk would write two different maps.
 *
 * "After" is told by rounds. A round is a number of this process that changes whenever a nonce it
 * knows changes; hellos carry the sender's round and the last round heard from each other node.
 * Why two maps V and W are impossible, whatever the network does: say A writes V in its round r,
 * and C writes W in its round s. C agreed to V after r began, A agreed to W after s began. A did so
 * before r (in r it knows V, after it it has a map and agrees to nothing), so s began before r. By
 * the same argument r began before s. The others may also adopt map 1 from a node that has it, if
 * it lists their address with their own nonce and the hello answers their round.
 *
 * A disk with a map wins over the list, which then is not looked at. Conditions that need a human
 * (different lists, different clusters, a lost disk) are texts, not states: hellos go on, and the
 * text goes away when its cause does.
 *
 * USE
 *
 *   boot_init; then boot_tick at boot_next_deadline and boot_receive for each HELLO body. After
 *   each call look at the effects:
 *     - send[0..send_count): to each id send boot_write_hello(boot, true, w);
 *     - reply: send boot_write_hello(boot, false, w) to whoever sent the hello just received;
 *     - store_map: write boot->map to disk (identity file), durably, then call boot_map_stored;
 *       from then on boot_is_done and the node may start its Raft group;
 *     - log: log boot_text (every 5 s while waiting or complaining, and when a complaint begins).
 *   Go on with ticks and hellos after that: other nodes may still need the map.
 *
 * Pure. The caller owns struct boot; nothing is kept of the inputs.
 */
#ifndef Q_CORE_CLUSTER_BOOT_H
#define Q_CORE_CLUSTER_BOOT_H

#include "core/cluster/map.h"

#define BOOT_HELLO_EVERY_MS      100
#define BOOT_HELLO_EVERY_DONE_MS 1000 /* A node with a map, to those it has not heard from. */
#define BOOT_LOG_EVERY_MS        5000
#define BOOT_COMPLAINT_KEEP_MS   5000 /* A complaint is shown this long after its last cause. */
/* A replaced nonce is not believed again for this long: it may come from an old connection. After
 * that somebody has put the old disk back. */
#define BOOT_TEXT_SIZE_MAX 1024
#define BOOT_HELLO_SIZE_MAX                                                                        \
    (32 + 8 * NODES_MAX + CLUSTER_ADDRESS_SIZE_MAX + CLUSTER_MAP_ENCODED_MAX)

enum boot_state {
    BOOT_WAITING, /* No map yet. */
    BOOT_STORING, /* Map formed or adopted; the node is to store it. */
    BOOT_DONE     /* Map stored. */
};

struct boot_config {
    struct cluster_address self;
    struct cluster_list list; /* Sorted by cluster_list_sort, containing self. */
    uint64_t run;             /* Random, drawn at each start of the process. */
    uint64_t nonce;           /* Own, random, not 0, stored before boot_init. */
    struct cluster_map map;   /* As the disk has it; version 0 = none. */
};

struct boot_effects {
    node_id send[NODES_MAX];
    size_t send_count;
    bool reply;
    bool store_map;
    bool log;
};

struct boot {
    enum boot_state state;
    struct boot_config config; /* With a map: config.list is the map's. */
    struct cluster_map map;    /* Valid unless BOOT_WAITING. */
    node_id self;              /* Place in the list. */
    bool adopted;              /* The map came from a peer. */

    uint64_t known[NODES_MAX];  /* Nonce by id - 1; 0 = not heard yet; own included. */
    uint64_t round;             /* Of `known`; see DESIGN. */
    uint64_t rounds[NODES_MAX]; /* Last heard from each. */
    bool agrees[NODES_MAX];     /* To `known`, in this round. */
    bool answered[NODES_MAX];   /* With a map: has the same map. */

    uint64_t hello_at_ms; /* Next hellos. */
    uint64_t log_at_ms;
    uint64_t complaint_at_ms;           /* Last time its cause was seen. */
    char complaint[BOOT_TEXT_SIZE_MAX]; /* Terminated; empty = none. */
};

/* Q_OK, or Q_EINVAL with a text of what is wrong and what to do: own address not in the list, or
 * the disk belongs to another address. */
int boot_init(struct boot *boot,
              const struct boot_config *config,
              uint64_t now_ms,
              char *error,
              size_t error_size);

/* Call at boot_next_deadline, or more often. Overwrites *effects. Cannot fail. */
void boot_tick(struct boot *boot, uint64_t now_ms, struct boot_effects *effects);

/* A HELLO body. Overwrites *effects. Q_OK, or Q_EPROTO when malformed (nothing changed). */
int boot_receive(struct boot *boot,
                 uint64_t now_ms,
                 struct bytes body,
                 struct boot_effects *effects);

/* The map of the store_map effect is durable. Only in BOOT_STORING. */
void boot_map_stored(struct boot *boot);

static inline bool boot_is_done(const struct boot *boot)
{
    return boot->state == BOOT_DONE;
}

/* At most BOOT_HELLO_SIZE_MAX bytes. `asks`: true for `send`, false for `reply`. */
void boot_write_hello(const struct boot *boot, bool asks, struct writer *w);

/* When boot_tick has something to do. */
uint64_t boot_next_deadline(const struct boot *boot);

/* What the node waits for or complains about, terminated, cut at size - 1; empty when all is well.
 * For logs, /readyz and status. Returns its length. */
size_t boot_text(const struct boot *boot, uint64_t now_ms, char *out_text, size_t size);

#endif
