/* Faults of links: partitions of every form, flapping, clogs, resets. */
#include "sim/draw.h"
#include "sim/fault_kinds.h"

enum bridge_form { BRIDGE_ONE, BRIDGE_CHAIN, BRIDGE_RING };

/* ---- connections ---- */

static void tell(struct world *world, node_id id, node_id peer, bool connected)
{
    struct host *host = &world->hosts[id];
    host->sent_at_us[peer] = world->now_us;
    if (host->node != NULL) {
        events_push(&world->events, (struct event){.at_us = world->now_us,
                                                   .kind = EVENT_PEER,
                                                   .node = id,
                                                   .incarnation = host->incarnation,
                                                   .a = peer,
                                                   .b = connected});
    }
}

static void dial_later(struct world *world, node_id from, node_id to)
{
    const uint64_t delay_us = prng_between(&world->prng, 5, 250) * MILLISECOND;
    events_push(&world->events, (struct event){.at_us = world->now_us + delay_us,
                                               .kind = EVENT_RECONNECT,
                                               .a = from,
                                               .b = to});
}

void faults_break(struct world *world, node_id from, node_id to)
{
    if (network_is_connected(&world->network, from, to)) {
        network_break(&world->network, from, to);
        tell(world, from, to, false);
        dial_later(world, from, to);
    }
}

void faults_reset(struct world *world, node_id a, node_id b)
{
    faults_break(world, a, b);
    faults_break(world, b, a);
}

void faults_reconnect(struct world *world, const struct event *event)
{
    const node_id from = (node_id)event->a;
    const node_id to = (node_id)event->b;
    if (world->hosts[from].node == NULL || world->hosts[to].node == NULL ||
        network_is_connected(&world->network, from, to)) {
        return; /* The start of the one that is down will try again. */
    }
    if (!network_is_open(&world->network, from, to)) {
        dial_later(world, from, to);
        return;
    }
    network_connect(&world->network, from, to);
    tell(world, from, to, true);
}

/* ---- partitions ---- */

static void trace_partition(const struct world *world, const struct partition *partition)
{
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            if (partition->blocks[a][b]) {
                world_trace(world, "link %u->%u is %s", a, b, partition->is_open ? "up" : "cut");
            }
        }
    }
}

/* Blocks what the partition says, or takes that back; connections it cuts stand silently or are
 * reset. */
static void set_open(struct world *world, struct partition *partition, bool is_open)
{
    if (partition->is_open == is_open) {
        return;
    }
    partition->is_open = is_open;
    trace_partition(world, partition);
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            if (!partition->blocks[a][b]) {
                continue;
            }
            network_block(&world->network, a, b, !is_open);
            if (partition->resets && !is_open) {
                faults_reset(world, a, b);
            }
        }
    }
}

struct partition *faults_partition_new(struct world *world)
{
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        struct partition *partition = &world->partitions[i];
        if (partition->number == 0) {
            *partition = (struct partition){.number = ++world->partition_count, .is_open = true};
            return partition;
        }
    }
    return NULL;
}

static void look_again_after(struct world *world, const struct partition *partition)
{
    uint64_t takes_us = partition->until_us - world->now_us;
    if (partition->period_us > 0) {
        const uint64_t half_us = partition->period_us / 2;
        const uint64_t turn_us = prng_between(&world->prng, half_us / 2 + 1, half_us * 3 / 2 + 1);
        takes_us = turn_us < takes_us ? turn_us : takes_us;
    }
    if (partition->until_us != FOREVER || partition->period_us > 0) {
        fault_ends_after(world, FAULT_PARTITION, takes_us, partition->number);
    }
}

void faults_partition_begin(struct world *world, struct partition *partition, uint64_t takes_us)
{
    partition->until_us = takes_us == FOREVER ? FOREVER : world->now_us + takes_us;
    set_open(world, partition, false);
    look_again_after(world, partition);
}

void fault_partition_end(struct world *world, uint64_t number)
{
    struct partition *partition = NULL;
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        if (world->partitions[i].number == number) {
            partition = &world->partitions[i];
        }
    }
    if (partition == NULL) {
        return;
    }
    if (world->now_us >= partition->until_us) {
        set_open(world, partition, true);
        partition->number = 0;
        return;
    }
    set_open(world, partition, !partition->is_open);
    look_again_after(world, partition);
}

/* One that lasts for a while, with nothing blocked yet; NULL when there are too many. */
static struct partition *new_partition(struct world *world)
{
    struct partition *partition =
        world->options.node_count < 2 ? NULL : faults_partition_new(world);
    if (partition != NULL) {
        partition->resets = prng_chance(&world->prng, 1, 2);
    } else {
        fault_found_nothing(world);
    }
    return partition;
}

static void begin_partition(struct world *world, struct partition *partition)
{
    faults_partition_begin(world, partition,
                           draw_log_uniform(&world->prng, 20 * MILLISECOND, 20 * SECOND));
}

/* Mostly one node alone: that is what most failures of the field needed. */
static void draw_group(struct world *world, bool inside[NODES_MAX + 1])
{
    const node_id count = world->options.node_count;
    const size_t wanted =
        prng_chance(&world->prng, 2, 3) ? 1 : (size_t)prng_between(&world->prng, 1, count - 1);
    inside[fault_pick_node(world)] = true;
    for (size_t i = 1; i < wanted; i++) {
        inside[prng_between(&world->prng, 1, count)] = true;
    }
}

void fault_partition(struct world *world)
{
    struct partition *partition = new_partition(world);
    if (partition == NULL) {
        return;
    }
    bool inside[NODES_MAX + 1] = {false};
    draw_group(world, inside);
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            partition->blocks[a][b] = a != b && inside[a] != inside[b];
        }
    }
    begin_partition(world, partition);
}

void fault_one_way(struct world *world)
{
    struct partition *partition = new_partition(world);
    if (partition == NULL) {
        return;
    }
    bool inside[NODES_MAX + 1] = {false};
    draw_group(world, inside);
    const bool hears = prng_chance(&world->prng, 1, 2);
    partition->resets = false; /* Or nothing would come back before both ways are open. */
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            partition->blocks[a][b] = inside[a] == hears && inside[b] == !hears;
        }
    }
    begin_partition(world, partition);
}

/* Puts the nodes into a random order, from 0. */
static void shuffle(struct world *world, node_id order[NODES_MAX])
{
    for (node_id i = 0; i < world->options.node_count; i++) {
        const node_id at = (node_id)prng_below(&world->prng, i + 1);
        order[i] = order[at];
        order[at] = i + 1;
    }
}

/* Two groups that only the first node in the order connects, or a chain, or a ring. */
static bool is_bridged(enum bridge_form form, node_id count, node_id i, node_id j)
{
    const node_id low = i < j ? i : j;
    const node_id high = i < j ? j : i;
    switch (form) {
    case BRIDGE_ONE: return low == 0 || (low > count / 2) == (high > count / 2);
    case BRIDGE_CHAIN: return high - low == 1;
    case BRIDGE_RING: return high - low == 1 || high - low == count - 1;
    }
    return true;
}

void fault_bridge(struct world *world)
{
    const node_id count = world->options.node_count;
    struct partition *partition = count < 3 ? NULL : new_partition(world);
    if (partition == NULL) {
        return;
    }
    const enum bridge_form form = (enum bridge_form)prng_below(&world->prng, count > 3 ? 3 : 1);
    node_id order[NODES_MAX] = {0};
    shuffle(world, order);
    for (node_id i = 0; i < count; i++) {
        for (node_id j = 0; j < count; j++) {
            partition->blocks[order[i]][order[j]] = i != j && !is_bridged(form, count, i, j);
        }
    }
    begin_partition(world, partition);
}

void fault_link(struct world *world)
{
    struct partition *partition = new_partition(world);
    const node_id count = world->options.node_count;
    if (partition == NULL) {
        return;
    }
    const uint64_t links = prng_between(&world->prng, 1, count);
    for (uint64_t i = 0; i < links; i++) {
        const node_id a = (node_id)prng_between(&world->prng, 1, count);
        const node_id b = (node_id)prng_between(&world->prng, 1, count);
        partition->blocks[a][b] = a != b;
        partition->blocks[b][a] |= a != b && prng_chance(&world->prng, 1, 3);
    }
    begin_partition(world, partition);
}

void faults_flap(struct world *world, struct partition *partition, uint64_t takes_us)
{
    partition->period_us = draw_log_uniform(&world->prng, 20 * MILLISECOND, 3 * SECOND);
    world_trace(world, "links flap about every %llu ms",
                (unsigned long long)(partition->period_us / MILLISECOND));
    faults_partition_begin(world, partition, takes_us);
}

void fault_flap(struct world *world)
{
    struct partition *partition = new_partition(world);
    const node_id count = world->options.node_count;
    if (partition == NULL) {
        return;
    }
    const node_id a = (node_id)prng_between(&world->prng, 1, count);
    const node_id only = (node_id)prng_below(&world->prng, (uint64_t)count + 1);
    for (node_id b = 1; b <= count; b++) {
        if (b != a && (only == 0 || only == a || only == b)) { /* All of its links, or one. */
            partition->blocks[a][b] = true;
            partition->blocks[b][a] = true;
        }
    }
    faults_flap(world, partition, draw_log_uniform(&world->prng, SECOND, 30 * SECOND));
}

/* ---- clogs and resets ---- */

static void clog_pair(struct world *world, node_id a, node_id b, uint64_t until_us)
{
    network_clog(&world->network, a, b, until_us);
    network_clog(&world->network, b, a, until_us);
}

void fault_clog(struct world *world)
{
    const struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    if (world->options.node_count < 2) {
        fault_found_nothing(world);
    }
    const uint64_t takes_us = draw_log_uniform(&world->prng, 100 * MILLISECOND, 3 * SECOND);
    const uint64_t until_us = world->now_us + takes_us;
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        if (peer != host->id) {
            clog_pair(world, host->id, peer, until_us);
        }
    }
}

void fault_reset(struct world *world)
{
    const node_id count = world->options.node_count;
    const node_id a = (node_id)prng_between(&world->prng, 1, count);
    /* Any of the others. */
    const node_id b =
        count < 2 ? a : (node_id)((a + prng_below(&world->prng, count - 1)) % count + 1);
    if (a != b) {
        faults_reset(world, a, b);
    } else {
        fault_found_nothing(world);
    }
}
