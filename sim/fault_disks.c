/* Faults of disks. */
#include "sim/fault_kinds.h"

void fault_disk_slow(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host->slow_until_us = world->now_us + fault_draw_length(world);
    }
}

void fault_disk_error(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        struct disk_faults *faults = disk_faults(host->disk);
        if (prng_chance(&world->prng, 1, 2)) {
            faults->sync_fails = true;
            faults->sync_failure = (enum sync_failure)prng_below(&world->prng, SYNC_FAILURES);
        } else {
            faults->write_fails = true;
        }
    }
}

void fault_disk_full(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        disk_faults(host->disk)->full = true;
        fault_ends_after(world, FAULT_DISK_FULL, fault_draw_length(world), host->id);
    }
}

void fault_disk_full_end(struct world *world, uint64_t node)
{
    disk_faults(world->hosts[node].disk)->full = false;
}

/* A sync that does not come back: for a minute or two, or until the machine is power-cycled. */
void fault_disk_hung(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL || host->hung_until_us > world->now_us) {
        return;
    }
    const uint64_t takes_us = prng_between(&world->prng, 30, 120) * SECOND;
    host->hung_until_us = world->now_us + takes_us;
    host->is_hung_till_power = prng_chance(&world->prng, 1, 3);
    world_trace(world, "the disk of node %u hangs for %llu s%s", host->id,
                (unsigned long long)(takes_us / SECOND),
                host->is_hung_till_power ? ", then its power is cycled" : "");
    fault_ends_after(world, FAULT_DISK_HUNG, takes_us - 1, host->id);
}

void fault_disk_hung_end(struct world *world, uint64_t node)
{
    struct host *host = &world->hosts[node];
    if (host->hung_until_us == 0 || host->hung_until_us > world->now_us + 1) {
        return; /* It has lost power since, and perhaps hangs anew. */
    }
    host->hung_until_us = 0;
    if (host->is_hung_till_power) {
        host_crash(host, true, prng_between(&world->prng, 1, 1000) * MILLISECOND);
    }
}

/* The process dies, and the next one cannot read what is there. */
void fault_disk_read(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host->reads = (enum read_failure)prng_between(&world->prng, 1, READ_FAILURES - 1);
        host_crash(host, prng_chance(&world->prng, 1, 2),
                   prng_between(&world->prng, 10, 2000) * MILLISECOND);
    }
}
