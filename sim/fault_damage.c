/* Faults that take from a disk what it had promised to keep; sim/damage says what they owe. */
#include "sim/atlas.h"
#include "sim/draw.h"
#include "sim/fault_kinds.h"

/* A machine that may be damaged so now and knows its cluster; NULL when the one drawn is not. */
static struct host *pick(struct world *world, enum damage_kind kind)
{
    struct host *host = fault_pick_host(world);
    const bool may = host != NULL && !world->has_damage[kind] && host_raft(host) != NULL &&
                     atlas_may_damage(world, host) && !host->is_damaged && !host->is_condemned &&
                     host->damage.next == DAMAGE_NONE && host->damage.done == DAMAGE_NONE &&
                     host->crashes_left == 0;
    if (!may) {
        fault_found_nothing(world);
    }
    return may ? host : NULL;
}

static void begin(struct world *world, enum damage_kind kind)
{
    struct host *host = pick(world, kind);
    if (host != NULL) {
        damage_begin(host, kind);
    }
}

void fault_rot(struct world *world)
{
    begin(world, DAMAGE_ROT);
}

void fault_lost(struct world *world)
{
    begin(world, DAMAGE_LOST);
}

void fault_misdirect(struct world *world)
{
    begin(world, DAMAGE_MISDIRECT);
}

void fault_files(struct world *world)
{
    begin(world, DAMAGE_FILES);
}

void fault_engine_rot(struct world *world)
{
    begin(world, DAMAGE_ENGINE);
}

void fault_wipe(struct world *world)
{
    begin(world, DAMAGE_WIPE);
}

/* A copy now; it comes back some time later. */
void fault_backup(struct world *world)
{
    struct host *host = pick(world, DAMAGE_BACKUP);
    if (host != NULL && host->damage.old_disk == NULL) {
        damage_take_copy(host);
        fault_ends_after(world, FAULT_BACKUP,
                         draw_log_uniform(&world->prng, 50 * MILLISECOND, 20 * SECOND), host->id);
    }
}

void fault_backup_end(struct world *world, uint64_t node)
{
    struct host *host = &world->hosts[node];
    if (world->phase != PHASE_FIRE || host->damage.old_disk == NULL) {
        return;
    }
    if (!damage_copy_is_old(host) || host->node == NULL || host_raft(host) == NULL) {
        fault_ends_after(world, FAULT_BACKUP, SECOND, host->id);
        return;
    }
    if (host->node != NULL && host_raft(host) != NULL && !host_is_paused(host) &&
        !host->is_damaged && atlas_may_damage(world, host) && host->damage.next == DAMAGE_NONE &&
        host->damage.done == DAMAGE_NONE) {
        damage_begin(host, DAMAGE_BACKUP);
    }
}

static bool may_swap(const struct host *host)
{
    return host->node != NULL && !host_is_paused(host) && host_raft(host) != NULL &&
           !host->is_damaged && host->damage.next == DAMAGE_NONE &&
           host->damage.done == DAMAGE_NONE;
}

/* Two machines get each other's disk, or one a copy of the other's. */
void fault_swap(struct world *world)
{
    const node_id count = world->options.node_count;
    struct host *host = &world->hosts[prng_between(&world->prng, 1, count)];
    struct host *other = &world->hosts[host->id % count + 1];
    if (world->has_damage[DAMAGE_SWAP] || host == other || !may_swap(host) || !may_swap(other)) {
        fault_found_nothing(world);
        return;
    }
    host->damage.other = other->id;
    damage_begin(host, DAMAGE_SWAP);
    if (prng_chance(&world->prng, 1, 2)) {
        other->damage.other = host->id;
        damage_begin(other, DAMAGE_SWAP);
    }
}

void faults_mend_later(struct host *host, uint64_t after_us)
{
    fault_ends_after(host->world, FAULT_WIPE, after_us, host->id);
}

void fault_damage_end(struct world *world, uint64_t node)
{
    if (world->phase == PHASE_FIRE) {
        damage_mend(&world->hosts[node]);
    }
}
