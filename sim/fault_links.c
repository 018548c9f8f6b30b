/* Faults of the network: partitions, single links, clogs, resets. */
#include "sim/draw.h"
#include "sim/fault_kinds.h"

/* ---- connections ---- */

static void tell_peers(struct world *world, node_id a, node_id b, bool connected)
{
    const node_id ends[2] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        struct host *host = &world->hosts[ends[i]];
        host->sent_at_us[ends[1 - i]] = world->now_us;
        if (host->node != NULL) {
            events_push(&world->events, (struct event){.at_us = world->now_us,
                                                       .kind = EVENT_PEER,
                                                       .node = ends[i],
                                                       .incarnation = host->incarnation,
                                                       .a = ends[1 - i],
                                                       .b = connected});
        }
    }
}

static void try_later(struct world *world, node_id a, node_id b)
{
    const uint64_t delay_us = prng_between(&world->prng, 5, 250) * MILLISECOND;
    events_push(
        &world->events,
        (struct event){.at_us = world->now_us + delay_us, .kind = EVENT_RECONNECT, .a = a, .b = b});
}

void faults_reset(struct world *world, node_id a, node_id b)
{
    network_reset(&world->network, a, b);
    tell_peers(world, a, b, false);
    try_later(world, a, b);
}

void faults_reconnect(struct world *world, const struct event *event)
{
    const node_id a = (node_id)event->a;
    const node_id b = (node_id)event->b;
    if (world->hosts[a].node == NULL || world->hosts[b].node == NULL ||
        world->network.connected[a][b]) {
        return; /* The start of the one that is down will try again. */
    }
    if (!network_is_open(&world->network, a, b)) {
        try_later(world, a, b);
        return;
    }
    network_connect(&world->network, a, b);
    tell_peers(world, a, b, true);
}

/* ---- partitions ---- */

static struct partition *free_partition(struct world *world)
{
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        if (world->partitions[i].number == 0) {
            return &world->partitions[i];
        }
    }
    return NULL;
}

static void block(struct world *world, const struct partition *partition, bool blocked)
{
    for (node_id from = 1; from <= world->options.node_count; from++) {
        for (node_id to = 1; to <= world->options.node_count; to++) {
            if (partition->blocks[from][to]) {
                network_block(&world->network, from, to, blocked);
            }
        }
    }
}

/* Blocks what the partition says; connections stand silently or are reset. */
static void begin_partition(struct world *world, struct partition *partition)
{
    const uint64_t takes_us = draw_log_uniform(&world->prng, 20 * MILLISECOND, 20 * SECOND);
    partition->number = ++world->partition_count;
    block(world, partition, true);
    const bool resets = prng_chance(&world->prng, 1, 2);
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            if (!partition->blocks[a][b]) {
                continue;
            }
            world_trace(world, "link %u->%u is cut for %llu ms", a, b,
                        (unsigned long long)(takes_us / MILLISECOND));
            if (resets && world->network.connected[a][b]) {
                faults_reset(world, a, b);
            }
        }
    }
    fault_ends_after(world, FAULT_PARTITION, takes_us, partition->number);
}

void fault_partition(struct world *world)
{
    struct partition *partition = free_partition(world);
    const node_id count = world->options.node_count;
    if (partition == NULL || count < 2) {
        return;
    }
    *partition = (struct partition){0};
    /* Mostly one node alone: that is what most failures of the field needed. */
    bool inside[NODES_MAX + 1] = {false};
    const size_t wanted =
        prng_chance(&world->prng, 2, 3) ? 1 : (size_t)prng_between(&world->prng, 1, count - 1);
    inside[fault_pick_node(world)] = true;
    for (size_t i = 1; i < wanted; i++) {
        inside[prng_between(&world->prng, 1, count)] = true;
    }
    for (node_id a = 1; a <= count; a++) {
        for (node_id b = 1; b <= count; b++) {
            partition->blocks[a][b] = a != b && inside[a] != inside[b];
        }
    }
    begin_partition(world, partition);
}

void fault_link(struct world *world)
{
    struct partition *partition = free_partition(world);
    const node_id count = world->options.node_count;
    if (partition == NULL || count < 2) {
        return;
    }
    *partition = (struct partition){0};
    const uint64_t links = prng_between(&world->prng, 1, count);
    for (uint64_t i = 0; i < links; i++) {
        const node_id a = (node_id)prng_between(&world->prng, 1, count);
        const node_id b = (node_id)prng_between(&world->prng, 1, count);
        partition->blocks[a][b] = a != b;
        partition->blocks[b][a] |= a != b && prng_chance(&world->prng, 1, 3);
    }
    begin_partition(world, partition);
}

void fault_partition_end(struct world *world, uint64_t number)
{
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        struct partition *partition = &world->partitions[i];
        if (partition->number == number) {
            block(world, partition, false);
            partition->number = 0;
        }
    }
}

/* ---- clogs and resets ---- */

void fault_clog(struct world *world)
{
    const struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    const uint64_t takes_us = draw_log_uniform(&world->prng, 100 * MILLISECOND, 3 * SECOND);
    const uint64_t until_us = world->now_us + takes_us;
    world_trace(world, "links of node %u are clogged for %llu ms", host->id,
                (unsigned long long)(takes_us / MILLISECOND));
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        if (peer != host->id) {
            network_clog(&world->network, host->id, peer, until_us);
            network_clog(&world->network, peer, host->id, until_us);
        }
    }
}

void fault_reset(struct world *world)
{
    const node_id count = world->options.node_count;
    const node_id a = (node_id)prng_between(&world->prng, 1, count);
    const node_id b = (node_id)prng_between(&world->prng, 1, count);
    if (a != b && world->network.connected[a][b]) {
        faults_reset(world, a, b);
    }
}
