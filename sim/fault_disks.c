/* Faults of disks. */
#include "sim/atlas.h"
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
        *(prng_chance(&world->prng, 1, 2) ? &faults->sync_fails : &faults->write_fails) = true;
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

/* ---- rot ---- */

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
void fault_rot(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (world->hosts[id].is_rotten) {
            return;
        }
    }
    struct segments segments = {.prng = &world->prng};
    const struct files *files = disk_files(host->disk);
    (void)files->list(files->context, "wal", visit_segment, &segments);
    if (!atlas_may_damage(world, host) || segments.chosen[0] == '\0') {
        return;
    }
    host_crash(host, true, fault_draw_length(world));
    char path[SEGMENT_NAME_SIZE + 4] = "wal/";
    memcpy(path + 4, segments.chosen, SEGMENT_NAME_SIZE);
    host->is_rotten = disk_rot(host->disk, path);
    if (host->is_rotten) {
        atlas_damaged(host);
    }
    world_trace(world, "node %u: a bit of %s flips", host->id, path);
}
