/* What stays broken for ever: when the faults of a run end, in half of the runs a minority of the
 * nodes never comes back, each in its own way. The rest is the core (sim/atlas), healed and whole.
 */
#include "base/hash.h"
#include "sim/atlas.h"
#include "sim/draw.h"
#include "sim/fault_kinds.h"

#define FOREVER_MAP(X)                                                                             \
    X(DEAD, "is dead")                                                                             \
    X(CUT_OFF, "is cut off")                                                                       \
    X(HEARS, "hears the others and is not heard")                                                  \
    X(IS_HEARD, "is heard and hears nobody")                                                       \
    X(LINKS, "has single links to the others")                                                     \
    X(FLAPS, "has links that flap")                                                                \
    X(PAUSED, "stands still")                                                                      \
    X(STARVED, "hardly gets to run")                                                               \
    X(CRASHES, "dies soon after each start")                                                       \
    X(DISK_HANGS, "has a disk that hangs")                                                         \
    X(DISK_FULL, "has a disk that is full")

enum forever {
#define X(name, text) FOREVER_##name,
    FOREVER_MAP(X)
#undef X
        FOREVER_KINDS
};

/* Cuts links of the node, both ways or one. */
static void cut(struct host *host, bool out, bool in, bool flaps)
{
    struct world *world = host->world;
    struct partition *partition = faults_partition_new(world);
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        if (peer != host->id) {
            partition->blocks[host->id][peer] = out;
            partition->blocks[peer][host->id] = in;
        }
    }
    partition->resets = prng_chance(&world->prng, 1, 2);
    if (flaps) {
        faults_flap(world, partition, FOREVER);
    } else {
        partition->resets &= out && in;
        faults_partition_begin(world, partition, FOREVER);
    }
}

/* Any links, but so few that go both ways that it cannot lead: such a leader would be lawful, and
 * those of the core that it does not reach would never hear of it. */
static void cut_links(struct host *host, node_id outside_count)
{
    struct world *world = host->world;
    const node_id count = world->options.node_count;
    struct partition *partition = faults_partition_new(world);
    node_id contacts_left = count / 2 + 1 - outside_count - 1;
    for (node_id peer = 1; peer <= count; peer++) {
        if (peer == host->id) {
            continue;
        }
        const uint64_t both_cut = 3;
        uint64_t ways = prng_below(&world->prng, 4); /* Bit 0: its words are lost; 1: the peer's. */
        if (ways == 0 && contacts_left == 0) {
            ways = prng_between(&world->prng, 1, both_cut);
        } else if (ways == 0) {
            contacts_left--;
        }
        partition->blocks[host->id][peer] = (ways & 1) != 0;
        partition->blocks[peer][host->id] = (ways & 2) != 0;
    }
    faults_partition_begin(world, partition, FOREVER);
}

static void stay_broken(struct host *host, enum forever how, node_id outside_count)
{
    switch (how) {
    case FOREVER_DEAD: host_crash(host, true, FOREVER); break;
    case FOREVER_CUT_OFF: cut(host, true, true, false); break;
    case FOREVER_HEARS: cut(host, true, false, false); break;
    case FOREVER_IS_HEARD: cut(host, false, true, false); break;
    case FOREVER_LINKS: cut_links(host, outside_count); break;
    case FOREVER_FLAPS: cut(host, true, true, true); break;
    case FOREVER_PAUSED: host_pause(host, FOREVER); break;
    case FOREVER_STARVED: host->starved_until_us = FOREVER; break;
    case FOREVER_CRASHES: faults_loop_crashes(host, CRASHES_FOREVER); break;
    case FOREVER_DISK_HANGS: host->disk_hangs = true; break;
    case FOREVER_DISK_FULL: disk_faults(host->disk)->full = true; break;
    case FOREVER_KINDS: break;
    }
}

static const char *text_of(enum forever how)
{
    static const char *const TEXTS[FOREVER_KINDS] = {
#define X(name, text) text,
        FOREVER_MAP(X)
#undef X
    };
    return TEXTS[how];
}

/* Chooses who stays broken; returns how many. */
static node_id choose(struct world *world)
{
    const node_id count = world->options.node_count;
    const uint64_t wanted = prng_between(&world->prng, 1, count / 2);
    node_id chosen = 0;
    for (uint64_t tries = 0; chosen < wanted && tries < 4 * (uint64_t)count; tries++) {
        struct host *host = &world->hosts[prng_between(&world->prng, 1, count)];
        if (!host->is_outside && !host->is_condemned && atlas_may_stay_broken(world, host)) {
            host->is_outside = true;
            chosen++;
        }
    }
    return chosen;
}

/* Until each node has met all others once there is no cluster that could do without one. */
static bool has_formed(const struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (!world->hosts[id].has_formed) {
            return false;
        }
    }
    return true;
}

void faults_stay(struct world *world)
{
    if (!world->options.permanent || world->options.node_count < 3 || !has_formed(world)) {
        return;
    }
    /* As each fault, from a source of its own. */
    const struct prng others = world->prng;
    prng_init(&world->prng, hash_bytes_seeded(bytes_of_text("permanent"), world->options.seed));
    const node_id chosen = choose(world);
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (world->hosts[id].is_outside) {
            const enum forever how = (enum forever)prng_below(&world->prng, FOREVER_KINDS);
            world_trace(world, "for ever: node %u %s", id, text_of(how));
            stay_broken(&world->hosts[id], how, chosen);
        }
    }
    world->prng = others;
}
