/* Faults of processes and machines: they die, stand still, or hardly get to run. */
#include "sim/draw.h"
#include "sim/fault_kinds.h"

#define PAUSE_MAX_US (60 * SECOND)

/* ---- death ---- */

void fault_kill(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host_crash(host, false, fault_draw_length(world));
    }
}

void fault_power(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host_crash(host, true, fault_draw_length(world));
    }
}

static void crash_all(struct world *world, bool power)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        host_crash(&world->hosts[id], power, prng_between(&world->prng, 1, 3000) * MILLISECOND);
    }
}

void fault_power_all(struct world *world)
{
    crash_all(world, true);
}

void fault_kill_all(struct world *world)
{
    crash_all(world, false);
}

/* ---- standing still ---- */

static uint64_t draw_pause(struct world *world)
{
    return draw_log_uniform(&world->prng, 10 * MILLISECOND, PAUSE_MAX_US);
}

void fault_pause(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host_pause(host, draw_pause(world));
    }
}

void fault_suspend(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    const uint64_t takes_us = draw_pause(world);
    world_trace(world, "node %u: its monotonic clock stands still, too", host->id);
    host_pause(host, takes_us);
    sim_clock_suspend(&host->clock, world->now_us, world->now_us + takes_us);
}

/* ---- starving ---- */

void fault_starved(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    const uint64_t takes_us = draw_log_uniform(&world->prng, SECOND / 5, 20 * SECOND);
    host->starved_until_us = world->now_us + takes_us;
    world_trace(world, "node %u hardly gets to run for %llu ms", host->id,
                (unsigned long long)(takes_us / MILLISECOND));
    fault_ends_after(world, FAULT_STARVED, takes_us, host->id);
}

void fault_starved_end(struct world *world, uint64_t node)
{
    if (world->now_us >= world->hosts[node].starved_until_us) {
        world_trace(world, "node %u gets to run", (node_id)node);
    }
}

/* The first leader at or after the machine drawn: there may be two for a while. */
void fault_resign(struct world *world)
{
    const node_id count = world->options.node_count;
    const node_id first = (node_id)prng_between(&world->prng, 1, count);
    for (node_id i = 0; i < count && count > 1; i++) {
        struct host *host = &world->hosts[(first - 1 + i) % count + 1];
        const struct raft *raft = host_raft(host);
        if (raft != NULL && raft->role == RAFT_LEADER && !host_is_paused(host)) {
            world_trace(world, "node %u is asked to give its leadership away", host->id);
            node_resign(host->node);
            host_touch(host);
            return;
        }
    }
    fault_found_nothing(world);
}
