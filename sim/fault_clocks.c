/* Faults of clocks: wall clocks jump, stand still and waver, monotonic ones change their rate. */
#include "sim/draw.h"
#include "sim/fault_kinds.h"

#define HOUR_MS       INT64_C(3600000)
#define DRIFT_PPM_MAX 100000

/* Most steps are small and stay; one of an hour, as after a wrong time zone, is put right. */
void fault_clock(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    struct sim_clock *clock = &host->clock;
    int64_t step_ms = (int64_t)prng_below(&world->prng, 80000) - 40000 - clock->wall_offset_ms / 2;
    if (prng_chance(&world->prng, 1, 8)) {
        step_ms = prng_chance(&world->prng, 1, 2) ? HOUR_MS : -HOUR_MS;
        const uint64_t takes_us = fault_draw_length(world);
        fault_ends_after(world, FAULT_CLOCK, takes_us, (uint64_t)host->id << 1 | (step_ms > 0));
    }
    clock->wall_offset_ms += step_ms;
}

void fault_clock_end(struct world *world, uint64_t what)
{
    struct host *host = &world->hosts[what >> 1];
    host->clock.wall_offset_ms += (what & 1) != 0 ? -HOUR_MS : HOUR_MS;
}

void fault_clock_freeze(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL || host->clock.wall_stands_ms > 0) {
        return;
    }
    host->clock.wall_stands_ms = sim_clock_wall_ms(&host->clock, &world->prng, world->now_us);
    const uint64_t takes_us = fault_draw_length(world);
    world_trace(world, "the wall clock of node %u stands still for %llu ms", host->id,
                (unsigned long long)(takes_us / MILLISECOND));
    fault_ends_after(world, FAULT_CLOCK_FREEZE, takes_us, host->id);
}

void fault_clock_freeze_end(struct world *world, uint64_t node)
{
    world->hosts[node].clock.wall_stands_ms = 0;
    world_trace(world, "the wall clock of node %u goes again", (node_id)node);
}

/* Readings go back and forth, one after the other. */
void fault_clock_jitter(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    host->clock.wall_jitter_ms = (uint32_t)draw_log_uniform(&world->prng, 1, 5000);
    const uint64_t takes_us = fault_draw_length(world);
    world_trace(world, "the wall clock of node %u wavers by %u ms for %llu ms", host->id,
                host->clock.wall_jitter_ms, (unsigned long long)(takes_us / MILLISECOND));
    fault_ends_after(world, FAULT_CLOCK_JITTER, takes_us, host->id);
}

void fault_clock_jitter_end(struct world *world, uint64_t node)
{
    world->hosts[node].clock.wall_jitter_ms = 0;
    world_trace(world, "the wall clock of node %u is steady", (node_id)node);
}

void fault_clock_drift(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    const int32_t drift = (int32_t)prng_below(&world->prng, 2 * DRIFT_PPM_MAX + 1) - DRIFT_PPM_MAX;
    world_trace(world, "the monotonic clock of node %u drifts by %d ppm, before by %d", host->id,
                drift, host->clock.drift_ppm);
    sim_clock_set_drift(&host->clock, world->now_us, drift);
    host_touch(host);
}
