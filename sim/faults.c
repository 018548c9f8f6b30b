/* What goes wrong, when, for how long; and the end of it. */
#include "base/check.h"
#include "sim/draw.h"
#include "sim/world.h"

static void schedule(struct world *world, enum fault_class class)
{
    const uint64_t mean = world->options.fault_interval_us[class];
    if (mean == 0) {
        return;
    }
    events_push(&world->events,
                (struct event){.at_us = world->now_us + draw_exponential(&world->prng, mean),
                               .kind = EVENT_FAULT,
                               .a = (uint64_t) class});
}

void faults_init(struct world *world)
{
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        schedule(world, (enum fault_class)i);
    }
}

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
    events_push(&world->events, (struct event){.at_us = world->now_us + takes_us,
                                               .kind = EVENT_FAULT_END,
                                               .a = FAULT_PARTITION,
                                               .b = partition->number});
}

static void cut_group(struct world *world)
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
    for (size_t i = 0; i < wanted; i++) {
        inside[prng_between(&world->prng, 1, count)] = true;
    }
    for (node_id a = 1; a <= count; a++) {
        for (node_id b = 1; b <= count; b++) {
            partition->blocks[a][b] = a != b && inside[a] != inside[b];
        }
    }
    begin_partition(world, partition);
}

static void cut_links(struct world *world)
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

static void end_partition(struct world *world, uint64_t number)
{
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        struct partition *partition = &world->partitions[i];
        if (partition->number == number) {
            block(world, partition, false);
            partition->number = 0;
        }
    }
}

/* ---- machines ---- */

static void clog_links(struct world *world, const struct host *host, uint64_t takes_us)
{
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

#define SEGMENT_NAME_SIZE 64

struct segments {
    char chosen[SEGMENT_NAME_SIZE]; /* Any of them. */
    uint64_t count;
    struct prng *prng;
};

static void visit_segment(void *context, const char *name)
{
    struct segments *segments = context;
    if (strstr(name, ".seg") == NULL || strlen(name) >= SEGMENT_NAME_SIZE) {
        return;
    }
    segments->count++;
    if (prng_below(segments->prng, segments->count) == 0) {
        memcpy(segments->chosen, name, strlen(name) + 1);
    }
}

/* Of one machine only, so that the others still hold everything. */
static void rot(struct world *world, struct host *host, uint64_t down_us)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (world->hosts[id].is_rotten) {
            return;
        }
    }
    struct segments segments = {.prng = &world->prng};
    const struct files *files = disk_files(host->disk);
    (void)files->list(files->context, "wal", visit_segment, &segments);
    if (world->options.node_count < 3 || segments.chosen[0] == '\0') {
        return;
    }
    host_crash(host, true, down_us);
    char path[SEGMENT_NAME_SIZE + 4] = "wal/";
    memcpy(path + 4, segments.chosen, SEGMENT_NAME_SIZE);
    host->is_rotten = disk_rot(host->disk, path);
    world_trace(world, "node %u: a bit of %s flips", host->id, path);
}

static void break_machine(struct world *world, enum fault_class class, struct host *host)
{
    struct prng *prng = &world->prng;
    const uint64_t takes_us = draw_log_uniform(prng, 5 * MILLISECOND, 20 * SECOND);
    switch (class) {
    case FAULT_KILL: host_crash(host, false, takes_us); break;
    case FAULT_POWER: host_crash(host, true, takes_us); break;
    case FAULT_PAUSE:
        world_trace(world, "node %u stands still for %llu ms", host->id,
                    (unsigned long long)(takes_us / MILLISECOND));
        host_pause(host, takes_us);
        break;
    case FAULT_DISK_SLOW: host->slow_until_us = world->now_us + takes_us; break;
    case FAULT_DISK_ERROR:
        *(prng_chance(prng, 1, 2) ? &disk_faults(host->disk)->sync_fails
                                  : &disk_faults(host->disk)->write_fails) = true;
        break;
    case FAULT_DISK_FULL:
        disk_faults(host->disk)->full = true;
        events_push(&world->events, (struct event){.at_us = world->now_us + takes_us,
                                                   .kind = EVENT_FAULT_END,
                                                   .a = FAULT_DISK_FULL,
                                                   .b = host->id});
        break;
    case FAULT_CLOCK:
        host->clock.wall_offset_ms +=
            (int64_t)prng_below(prng, 80000) - 40000 - host->clock.wall_offset_ms / 2;
        break;
    case FAULT_CLOG:
        clog_links(world, host, draw_log_uniform(prng, 100 * MILLISECOND, 3 * SECOND));
        break;
    case FAULT_ROT: rot(world, host, takes_us); break;
    case FAULT_RESIGN:
        node_resign(host->node);
        host_touch(host);
        break;
    case FAULT_PARTITION:
    case FAULT_LINK:
    case FAULT_RESET:
    case FAULT_POWER_ALL:
    case FAULT_CLASSES: Q_CHECK(false); break;
    }
}

static void break_all(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        host_crash(&world->hosts[id], true, prng_between(&world->prng, 1, 3000) * MILLISECOND);
    }
}

static void break_connection(struct world *world)
{
    const node_id count = world->options.node_count;
    const node_id a = (node_id)prng_between(&world->prng, 1, count);
    const node_id b = (node_id)prng_between(&world->prng, 1, count);
    if (a != b && world->network.connected[a][b]) {
        faults_reset(world, a, b);
    }
}

void faults_happen(struct world *world, const struct event *event)
{
    if (world->phase != PHASE_FIRE) {
        return;
    }
    const enum fault_class class = (enum fault_class)event->a;
    schedule(world, class);
    world->fault_count++;
    world->faults_by_class[class]++;
    if (class == FAULT_PARTITION) {
        cut_group(world);
        return;
    }
    if (class == FAULT_LINK) {
        cut_links(world);
        return;
    }
    if (class == FAULT_RESET) {
        break_connection(world);
        return;
    }
    if (class == FAULT_POWER_ALL) {
        break_all(world);
        return;
    }
    struct host *host = &world->hosts[prng_between(&world->prng, 1, world->options.node_count)];
    if (host->node != NULL && !host_is_paused(host)) {
        break_machine(world, class, host);
    }
}

void faults_end(struct world *world, const struct event *event)
{
    if (world->phase != PHASE_FIRE) {
        return;
    }
    if (event->a == FAULT_DISK_FULL) {
        disk_faults(world->hosts[event->b].disk)->full = false;
    } else {
        end_partition(world, event->b);
    }
}

void faults_heal(struct world *world)
{
    network_heal(&world->network);
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        world->partitions[i].number = 0;
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        struct host *host = &world->hosts[id];
        *disk_faults(host->disk) = (struct disk_faults){0};
        host->slow_until_us = 0; /* Pauses and restarts under way end by themselves. */
    }
}
