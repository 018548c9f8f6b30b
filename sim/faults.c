/* What goes wrong and when: each class that is on comes again and again at its own mean interval.
 */
#include "base/hash.h"
#include "sim/draw.h"
#include "sim/fault_kinds.h"

struct fault_kind {
    void (*begin)(struct world *world);
    void (*end)(struct world *world, uint64_t what); /* NULL when it ends by itself. */
};

static const struct fault_kind KINDS[FAULT_CLASSES] = {
    [FAULT_PARTITION] = {fault_partition, fault_partition_end},
    [FAULT_ONE_WAY] = {fault_one_way, NULL}, /* These end as a partition. */
    [FAULT_BRIDGE] = {fault_bridge, NULL},
    [FAULT_LINK] = {fault_link, NULL},
    [FAULT_FLAP] = {fault_flap, NULL},
    [FAULT_HALF_OPEN] = {fault_half_open, fault_half_open_end},
    [FAULT_CUT] = {fault_cut, NULL},
    [FAULT_FOREIGN] = {fault_foreign, NULL},
    [FAULT_BANDWIDTH] = {fault_bandwidth, fault_bandwidth_end},
    [FAULT_CLOG] = {fault_clog, NULL},
    [FAULT_RESET] = {fault_reset, NULL},
    [FAULT_KILL] = {fault_kill, NULL},
    [FAULT_POWER] = {fault_power, NULL},
    [FAULT_POWER_ALL] = {fault_power_all, NULL},
    [FAULT_KILL_ALL] = {fault_kill_all, NULL},
    [FAULT_CRASH_LOOP] = {fault_crash_loop, fault_crash_loop_end},
    [FAULT_STOP] = {fault_stop, fault_stop_end},
    [FAULT_ROLLING] = {fault_rolling, fault_rolling_end},
    [FAULT_PAUSE] = {fault_pause, NULL},
    [FAULT_SUSPEND] = {fault_suspend, NULL},
    [FAULT_STARVED] = {fault_starved, fault_starved_end},
    [FAULT_DISK_SLOW] = {fault_disk_slow, NULL},
    [FAULT_DISK_ERROR] = {fault_disk_error, NULL},
    [FAULT_DISK_FULL] = {fault_disk_full, fault_disk_full_end},
    [FAULT_CLOCK] = {fault_clock, fault_clock_end},
    [FAULT_CLOCK_FREEZE] = {fault_clock_freeze, fault_clock_freeze_end},
    [FAULT_CLOCK_JITTER] = {fault_clock_jitter, fault_clock_jitter_end},
    [FAULT_CLOCK_DRIFT] = {fault_clock_drift, NULL},
    [FAULT_RESIGN] = {fault_resign, NULL},
    [FAULT_DISK_HUNG] = {fault_disk_hung, fault_disk_hung_end},
    [FAULT_DISK_READ] = {fault_disk_read, NULL},
    [FAULT_ROT] = {fault_rot, NULL},
    [FAULT_LOST] = {fault_lost, NULL},
    [FAULT_MISDIRECT] = {fault_misdirect, NULL},
    [FAULT_FILES] = {fault_files, NULL},
    [FAULT_ENGINE_ROT] = {fault_engine_rot, NULL},
    [FAULT_WIPE] = {fault_wipe, fault_damage_end},
    [FAULT_BACKUP] = {fault_backup, fault_backup_end},
    [FAULT_SWAP] = {fault_swap, NULL},
};

/* Each fault has a source of randomness of its own, so that it comes at the same time and hits the
 * same thing whatever else happens in the run. The shrinker lives of that: it can leave one fault
 * out and keep the others. */
static struct prng source_of(const struct world *world, enum fault_class class, uint64_t number)
{
    struct prng prng;
    prng_init(&prng, hash_bytes_seeded(bytes_of_text(fault_name(class)), world->options.seed) +
                         number * UINT64_C(0xD1B54A32D192ED03));
    return prng;
}

/* When the next one of the class comes. */
static void schedule(struct world *world, enum fault_class class)
{
    const uint64_t mean = world->options.fault_interval_us[class];
    if (mean == 0) {
        return;
    }
    struct prng prng = source_of(world, class, 2 * world->faults_by_class[class]);
    events_push(&world->events,
                (struct event){.at_us = world->now_us + draw_exponential(&prng, mean),
                               .kind = EVENT_FAULT,
                               .a = (uint64_t) class});
}

void faults_init(struct world *world)
{
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        schedule(world, (enum fault_class)i);
    }
}

/* ---- for the classes ---- */

void fault_found_nothing(struct world *world)
{
    world->fault_missed = true;
}

node_id fault_pick_node(struct world *world)
{
    const node_id any = (node_id)prng_between(&world->prng, 1, world->options.node_count);
    if (prng_chance(&world->prng, 2, 3)) {
        return any;
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct raft *raft = host_raft(&world->hosts[id]);
        if (raft != NULL && raft->role == RAFT_LEADER) {
            return id;
        }
    }
    return any;
}

struct host *fault_pick_host(struct world *world)
{
    struct host *host = &world->hosts[fault_pick_node(world)];
    if (host->node == NULL || host_is_paused(host)) {
        fault_found_nothing(world);
        return NULL;
    }
    return host;
}

void fault_ends_after(struct world *world, enum fault_class class, uint64_t takes_us, uint64_t what)
{
    events_push(&world->events, (struct event){.at_us = world->now_us + takes_us,
                                               .kind = EVENT_FAULT_END,
                                               .a = (uint64_t) class,
                                               .b = what});
}

uint64_t fault_draw_length(struct world *world)
{
    return draw_log_uniform(&world->prng, 5 * MILLISECOND, 20 * SECOND);
}

/* ---- beginning and end ---- */

void faults_happen(struct world *world, const struct event *event)
{
    if (world->phase != PHASE_FIRE) {
        return;
    }
    const enum fault_class class = (enum fault_class)event->a;
    const uint64_t number = ++world->faults_by_class[class];
    schedule(world, class);
    if (!fault_set_has(&world->options.only_faults, class, number) || damage_needs_calm(world)) {
        return;
    }
    world->fault_count++;
    world->fault_missed = false;
    world_trace(world, "fault %s:%llu", fault_name(class), (unsigned long long)number);
    const struct prng others = world->prng;
    world->prng = source_of(world, class, 2 * number - 1);
    KINDS[class].begin(world);
    world->prng = others;
    world->coverage.faults[class] += !world->fault_missed;
}

void faults_end(struct world *world, const struct event *event)
{
    KINDS[event->a].end(world, event->b);
}

/* What is in flight of the faults that have ended is not to disturb for long: connections with a
 * backlog of more than a second break, as do those that are half open. */
static void heal_connections(struct world *world)
{
    const struct network *network = &world->network;
    for (node_id from = 1; from <= world->options.node_count; from++) {
        for (node_id to = 1; to <= world->options.node_count; to++) {
            if (from != to && (network_is_half_open(network, from, to) ||
                               network_last_arrival(network, from, to) > world->now_us + SECOND)) {
                faults_break(world, from, to);
            }
        }
    }
}

/* What is under way with it ends now: it is to run, and its clocks to go. */
static void heal_host(struct host *host)
{
    struct world *world = host->world;
    *disk_faults(host->disk) = (struct disk_faults){0};
    host->slow_until_us = 0;
    host->reads = READ_WORKS;
    if (host->hung_until_us > world->now_us) {
        host->hung_until_us = 0;
        host_crash(host, true, 0); /* What hangs at the end is power-cycled. */
    }
    host->starved_until_us = 0;
    host->crashes_left = 0;
    host->clock.wall_stands_ms = 0;
    host->clock.wall_jitter_ms = 0;
    host_resume(host);
    if (host->node != NULL && host->stop.stage != STOP_NONE) {
        host_stop(host, 0);
    } else if (host->node == NULL && !host->is_condemned && host->damage.next == DAMAGE_NONE) {
        events_push(&world->events, (struct event){.at_us = world->now_us,
                                                   .kind = EVENT_START,
                                                   .node = host->id,
                                                   .incarnation = host->incarnation});
    }
}

static void heal(struct world *world)
{
    network_heal(&world->network);
    heal_connections(world);
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        world->partitions[i].number = 0;
    }
    world->rolling.next = NODE_NONE;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        heal_host(&world->hosts[id]);
    }
}

void faults_quell(struct world *world)
{
    const struct network_options usual =
        world->network.calm_until_us > 0 ? world->network.usual : world->network.options;
    world_trace(world, "all other faults end for a while");
    heal(world);
    world->network.options = usual;
}

void faults_heal(struct world *world)
{
    heal(world);
    faults_stay(world);
}
