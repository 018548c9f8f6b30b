/* Restarts: orderly ones, of one node or all in turn, and processes that die again and again. */
#include "sim/draw.h"
#include "sim/fault_kinds.h"

#define DRAIN_US        (5 * SECOND) /* Half of it to resign, as server/lifecycle.c does. */
#define LOOK_US         (10 * MILLISECOND)
#define STAY_HEARTBEATS 3
#define ROLLING_WAIT_US (20 * SECOND) /* An operator waits no longer for a node to come back. */

/* A process as one number. */
static uint64_t pack(const struct host *host)
{
    return host->incarnation << 4 | host->id;
}

/* NULL when that process is gone. */
static struct host *unpack(struct world *world, uint64_t what)
{
    struct host *host = &world->hosts[what & 15];
    return host->node != NULL && pack(host) == what ? host : NULL;
}

/* ---- orderly stop, the steps of server/lifecycle.c ---- */

void faults_stop(struct host *host, uint64_t down_us)
{
    struct world *world = host->world;
    struct host_stop *stop = &host->stop;
    if (stop->stage != STOP_NONE) {
        return;
    }
    world_trace(world, "node %u is told to stop", host->id);
    struct node_status status;
    node_status(host->node, &status);
    *stop = (struct host_stop){.stage = STOP_RESIGNING,
                               .was_leader = status.role == RAFT_LEADER,
                               .resign_until_us = world->now_us + DRAIN_US / 2,
                               .drain_until_us = world->now_us + DRAIN_US,
                               .down_us = down_us};
    node_resign(host->node);
    host_touch(host);
    fault_ends_after(world, FAULT_STOP, LOOK_US, pack(host));
}

static void begin_draining(struct world *world, struct host *host)
{
    world_trace(world, "node %u reads no more requests", host->id);
    host->stop.stage = STOP_DRAINING;
    if (host->stop.was_leader && world->options.node_count > 1) {
        host->stop.stay_until_us =
            world->now_us + STAY_HEARTBEATS * MILLISECOND * world->options.heartbeat_ms;
    }
}

void fault_stop_end(struct world *world, uint64_t what)
{
    struct host *host = unpack(world, what);
    if (host == NULL || host->stop.stage == STOP_NONE) {
        return;
    }
    if (host_is_paused(host)) {
        fault_ends_after(world, FAULT_STOP, LOOK_US, what);
        return;
    }
    const struct host_stop *stop = &host->stop;
    struct node_status status;
    node_status(host->node, &status);
    if (stop->stage == STOP_RESIGNING) {
        const bool is_replaced = status.role != RAFT_LEADER && status.leader != NODE_NONE;
        if (status.peer_count <= 1 || !stop->was_leader || is_replaced ||
            world->now_us >= stop->resign_until_us) {
            begin_draining(world, host);
        }
    } else if (world->now_us >= stop->drain_until_us ||
               (status.waiting == 0 && !host->log_is_busy &&
                world->now_us >= stop->stay_until_us)) {
        host_stop(host, stop->down_us);
        return;
    }
    fault_ends_after(world, FAULT_STOP, LOOK_US, what);
}

void fault_stop(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        faults_stop(host, fault_draw_length(world));
    }
}

/* ---- one after the other ---- */

void fault_rolling(struct world *world)
{
    if (world->rolling.next == NODE_NONE) {
        world_trace(world, "a rolling restart begins");
        world->rolling.next = 1;
        world->rolling.since_us = world->now_us;
        fault_ends_after(world, FAULT_ROLLING, 0, 0);
    }
}

/* Whoever was restarted last is up and knows a leader. */
static bool last_is_back(const struct world *world)
{
    const struct rolling *rolling = &world->rolling;
    if (rolling->next == 1) {
        return true;
    }
    const struct host *host = &world->hosts[rolling->next - 1];
    const struct raft *raft = host_raft(host);
    return host->stop.stage == STOP_NONE && raft != NULL && raft->leader != NODE_NONE;
}

void fault_rolling_end(struct world *world, uint64_t what)
{
    (void)what;
    struct rolling *rolling = &world->rolling;
    if (rolling->next == NODE_NONE) {
        return;
    }
    if (!last_is_back(world) && world->now_us < rolling->since_us + ROLLING_WAIT_US) {
        fault_ends_after(world, FAULT_ROLLING, 100 * MILLISECOND, 0);
        return;
    }
    if (rolling->next > world->options.node_count) {
        world_trace(world, "the rolling restart ends");
        rolling->next = NODE_NONE;
        return;
    }
    struct host *host = &world->hosts[rolling->next++];
    rolling->since_us = world->now_us;
    if (host->node != NULL && !host_is_paused(host)) {
        faults_stop(host, prng_between(&world->prng, 50, 2000) * MILLISECOND);
    }
    fault_ends_after(world, FAULT_ROLLING, prng_between(&world->prng, 100, 3000) * MILLISECOND, 0);
}

/* ---- crash loops ---- */

static uint64_t draw_short(struct world *world)
{
    return prng_between(&world->prng, 10, 500) * MILLISECOND;
}

void faults_loop_crashes(struct host *host, uint32_t times)
{
    struct world *world = host->world;
    host->crashes_left = times;
    world_trace(world, "node %u will die soon after each start, %u times", host->id, times);
    host_crash(host, prng_chance(&world->prng, 1, 3), draw_short(world));
}

void fault_crash_loop(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL && host->crashes_left == 0) {
        faults_loop_crashes(host, (uint32_t)prng_between(&world->prng, 3, 10));
    }
}

void faults_starting(struct host *host)
{
    struct world *world = host->world;
    if (host->crashes_left > 0 && prng_chance(&world->prng, 1, 2)) {
        disk_die_after(host->disk, draw_log_uniform(&world->prng, 1, 200));
    }
}

static void count_crash(struct host *host)
{
    if (host->crashes_left != CRASHES_FOREVER) {
        host->crashes_left--;
    }
}

bool faults_died_in_start(struct host *host)
{
    if (host->crashes_left == 0 || !disk_is_down(host->disk)) {
        return false;
    }
    count_crash(host);
    world_trace(host->world, "node %u dies while it starts", host->id);
    return true;
}

void faults_started(struct host *host)
{
    disk_die_after(host->disk, 0);
    if (host->crashes_left > 0) {
        fault_ends_after(host->world, FAULT_CRASH_LOOP, draw_short(host->world), pack(host));
    }
}

void fault_crash_loop_end(struct world *world, uint64_t what)
{
    struct host *host = unpack(world, what);
    if (host != NULL && host->crashes_left > 0) {
        count_crash(host);
        host_crash(host, prng_chance(&world->prng, 1, 3), draw_short(world));
    }
}
