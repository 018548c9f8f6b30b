/* Faults of connections and frames: half open, broken in the middle, misaddressed, too narrow. */
#include "sim/draw.h"
#include "sim/fault_kinds.h"

/* A node that stops hearing acknowledgements gives a connection up after so long (net/peer_link).
 */
#define UNACKNOWLEDGED_US (3 * SECOND)

/* Two different nodes; false when there are none. */
static bool pick_link(struct world *world, node_id *out_from, node_id *out_to)
{
    const node_id count = world->options.node_count;
    *out_from = (node_id)prng_between(&world->prng, 1, count);
    *out_to = (node_id)prng_between(&world->prng, 1, count);
    return *out_from != *out_to;
}

/* A link and its present connection as one number, and back. */
static uint64_t pack(const struct world *world, node_id from, node_id to)
{
    return world->network.links[from][to].epoch << 8 | (uint64_t)from << 4 | to;
}

static bool unpack(const struct world *world, uint64_t what, node_id *out_from, node_id *out_to)
{
    *out_from = (node_id)(what >> 4 & 15);
    *out_to = (node_id)(what & 15);
    return pack(world, *out_from, *out_to) == what;
}

/* ---- half open ---- */

void faults_half_open(struct world *world, node_id from, node_id to)
{
    if (!network_is_connected(&world->network, from, to)) {
        return;
    }
    network_half_open(&world->network, from, to);
    const uint64_t takes_us = draw_log_uniform(&world->prng, MILLISECOND, UNACKNOWLEDGED_US);
    world_trace(world, "connection %u->%u is gone, which %u will notice in %llu ms", from, to, from,
                (unsigned long long)(takes_us / MILLISECOND));
    fault_ends_after(world, FAULT_HALF_OPEN, takes_us, pack(world, from, to));
}

void fault_half_open(struct world *world)
{
    node_id from = NODE_NONE;
    node_id to = NODE_NONE;
    if (pick_link(world, &from, &to)) {
        faults_half_open(world, from, to);
    }
}

void fault_half_open_end(struct world *world, uint64_t what)
{
    node_id from = NODE_NONE;
    node_id to = NODE_NONE;
    if (unpack(world, what, &from, &to) && network_is_half_open(&world->network, from, to)) {
        world_trace(world, "node %u notices that its connection to %u is gone", from, to);
        faults_break(world, from, to);
    }
}

/* ---- frames ---- */

static void spoil(struct world *world, enum network_spoil first, enum network_spoil last)
{
    node_id from = NODE_NONE;
    node_id to = NODE_NONE;
    if (!pick_link(world, &from, &to)) {
        return;
    }
    static const char *const NAMES[SPOIL_KINDS] = {"whole",
                                                   "cut off, and the connection with it",
                                                   "without its middle",
                                                   "of another cluster",
                                                   "for another node",
                                                   "from nobody here"};
    const enum network_spoil kind = (enum network_spoil)prng_between(&world->prng, first, last);
    const uint32_t after = (uint32_t)prng_below(&world->prng, 20);
    world_trace(world, "after %u frames from %u to %u one will be %s", after, from, to,
                NAMES[kind]);
    network_spoil(&world->network, from, to, kind, after);
}

void fault_cut(struct world *world)
{
    spoil(world, SPOIL_CUT, SPOIL_SPLICE);
}

void fault_foreign(struct world *world)
{
    spoil(world, SPOIL_CLUSTER, SPOIL_FROM);
}

/* ---- bandwidth ---- */

static void cap(struct world *world, node_id a, node_id b, uint64_t rate, uint64_t queue_max)
{
    network_cap(&world->network, a, b, rate, queue_max);
    world_trace(world, "link %u->%u carries %llu bytes/s (0 = any), queue %llu bytes", a, b,
                (unsigned long long)rate, (unsigned long long)queue_max);
}

/* All links of a node, or one of them, both ways. */
void fault_bandwidth(struct world *world)
{
    node_id a = NODE_NONE;
    node_id only = NODE_NONE;
    if (!pick_link(world, &a, &only)) {
        return;
    }
    const bool all = prng_chance(&world->prng, 1, 2);
    const uint64_t rate = draw_log_uniform(&world->prng, 4000, 4000000);
    /* Mostly less than the server's, which is 64 MiB, so that it does get full. */
    const uint64_t queue_max = draw_log_uniform(&world->prng, 4096, UINT64_C(64) << 20);
    const uint64_t takes_us = draw_log_uniform(&world->prng, SECOND / 5, 20 * SECOND);
    for (node_id b = 1; b <= world->options.node_count; b++) {
        if (b != a && (all || b == only)) {
            cap(world, a, b, rate, queue_max);
            cap(world, b, a, rate, queue_max);
            fault_ends_after(world, FAULT_BANDWIDTH, takes_us, (uint64_t)a << 4 | b);
        }
    }
}

void fault_bandwidth_end(struct world *world, uint64_t what)
{
    const node_id a = (node_id)(what >> 4 & 15);
    const node_id b = (node_id)(what & 15);
    cap(world, a, b, 0, 0);
    cap(world, b, a, 0, 0);
}
