#include "sim/atlas.h"

#include "sim/world.h"

size_t atlas_damaged_count(const struct world *world)
{
    size_t count = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        count += world->hosts[id].is_damaged;
    }
    return count;
}

bool atlas_may_damage(const struct world *world, const struct host *host)
{
    const size_t minority = (world->options.node_count - 1) / 2;
    const size_t others = atlas_damaged_count(world) - (host->is_damaged ? 1 : 0);
    return others + 1 <= minority;
}

void atlas_damaged(struct host *host)
{
    host->is_damaged = true;
}

void atlas_repaired(struct host *host)
{
    host->is_damaged = false;
}

bool atlas_may_stay_broken(const struct world *world, const struct host *host)
{
    size_t lost = 0; /* Of the others. */
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct host *other = &world->hosts[id];
        lost += other != host && (other->is_damaged || other->is_outside);
    }
    return lost + 1 <= (world->options.node_count - 1) / 2;
}

bool atlas_is_in_core(const struct world *world, node_id id)
{
    return !world->hosts[id].is_outside && !world->hosts[id].is_condemned;
}
