#include "sim/damage.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "sim/atlas.h"
#include "sim/world.h"

#include <stdio.h>

#define JUDGED_AFTER_US (2 * SECOND)
#define PATIENCE        5   /* Times 200 ms until whatever is wrong with the others is ended. */
#define PUT_OFF_MAX     100 /* Times 200 ms; then the fault does not happen. */
#define STOPS_MAX       3   /* A node that stops as an old copy is started again until then. */
#define ENGINE_PARTS    8   /* One of so many parts of the keys cannot be read. */
#define PATHS_MAX       64
#define PATH_SIZE       128
#define BACK_MAX        4

static const char *const KINDS[] = {
    "nothing", "rot",      "a lost write",  "a misdirected write", "missing files",
    "bad db",  "a backup", "an empty disk", "another node's disk"};

/* ---- disks that are kept ---- */

static void drop(struct disk **disk, struct engine **engine)
{
    disk_free(*disk);
    sim_engine_free(*engine);
    *disk = NULL;
    *engine = NULL;
}

static void settle(struct host *host)
{
    struct damage *damage = &host->damage;
    drop(&damage->own_disk, &damage->own_engine);
    damage->done = DAMAGE_NONE;
    damage->watch = WATCH_NOTHING;
    damage->stops = 0;
    damage->has_taken_part = false;
    atlas_repaired(host);
}

void damage_undo(struct host *host)
{
    struct damage *damage = &host->damage;
    Q_CHECK(damage->own_disk != NULL);
    drop(&host->disk, &host->engine);
    host->disk = damage->own_disk;
    host->engine = damage->own_engine;
    damage->own_disk = NULL;
    damage->own_engine = NULL;
    settle(host);
    host->said_incarnation = 0; /* Of the wrong disk. */
}

static struct heard_promise durable_promise(const struct host *host)
{
    const struct mirror *mirror = &host->world->oracle.mirrors[host->id];
    return (struct heard_promise){.term = mirror->durable_term, .index = mirror->durable_last};
}

bool damage_copy_is_old(const struct host *host)
{
    const struct heard_promise now = durable_promise(host);
    const struct heard_promise then = host->damage.old_promise;
    return now.term > then.term || now.index > then.index;
}

void damage_take_copy(struct host *host)
{
    struct damage *damage = &host->damage;
    drop(&damage->old_disk, &damage->old_engine);
    damage->old_disk = disk_copy(host->disk);
    damage->old_engine = sim_engine_copy(host->engine);
    damage->old_promise = durable_promise(host);
    world_trace(host->world, "node %u: its disk is copied", host->id);
}

void damage_deinit(struct host *host)
{
    struct damage *damage = &host->damage;
    drop(&damage->old_disk, &damage->old_engine);
    drop(&damage->own_disk, &damage->own_engine);
}

void damage_begin(struct host *host, enum damage_kind kind)
{
    struct world *world = host->world;
    struct damage *damage = &host->damage;
    Q_CHECK(host->node != NULL && damage->next == DAMAGE_NONE && damage->done == DAMAGE_NONE);
    world->has_damage[kind] = true;
    damage->next = kind;
    damage->put_off = 0;
    prng_init(&damage->prng, prng_next(&world->prng));
    if (kind != DAMAGE_SWAP) {
        atlas_damaged(host);
    }
    host_crash(host, true, prng_between(&world->prng, 10, 2000) * MILLISECOND);
}

/* It has rightly refused. What must not be refused is its own disk. */
static void condemn(struct host *host)
{
    struct damage *damage = &host->damage;
    host->is_condemned = true;
    const bool can_mend = damage->done == DAMAGE_ENGINE || !damage->has_taken_part;
    if (can_mend && !prng_chance(&damage->prng, 1, 4)) {
        faults_mend_later(host, prng_between(&damage->prng, 500, 8000) * MILLISECOND);
    }
}

void damage_mend(struct host *host)
{
    if (!host->is_condemned) {
        return;
    }
    host_crash(host, false, FOREVER);
    host->is_condemned = false;
    if (host->damage.done == DAMAGE_ENGINE) {
        sim_engine_rot(host->engine, 0, 0);
        settle(host);
    } else {
        damage_undo(host);
    }
    world_trace(host->world, "node %u gets its own disk back", host->id);
    events_push(&host->world->events, (struct event){.at_us = host->world->now_us,
                                                     .kind = EVENT_START,
                                                     .node = host->id,
                                                     .incarnation = host->incarnation});
}

void damage_clear_away(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (world->hosts[id].is_condemned) {
            host_crash(&world->hosts[id], false, FOREVER);
        }
    }
}

bool damage_needs_calm(const struct world *world)
{
    return world->now_us < world->calm_until_us;
}

/* ---- before the start ---- */

static bool link_is_whole(const struct world *world, node_id from, node_id to)
{
    const struct network_link *link = &world->network.links[from][to];
    return link->blocks == 0 && !link->is_half_open && link->clogged_until_us <= world->now_us &&
           link->bytes_per_second == 0;
}

static bool is_ready(const struct host *other)
{
    return other->is_condemned ||
           (other->node != NULL && !host_is_paused(other) && node_takes_part(other->node) &&
            other->stop.stage == STOP_NONE && other->crashes_left == 0 &&
            other->starved_until_us <= other->world->now_us &&
            other->hung_until_us <= other->world->now_us && other->damage.watch == WATCH_NOTHING);
}

static bool others_are_ready(const struct host *host)
{
    const struct world *world = host->world;
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        if (world->partitions[i].number != 0) {
            return false;
        }
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (id != host->id &&
            (!is_ready(&world->hosts[id]) || !link_is_whole(world, id, host->id) ||
             !link_is_whole(world, host->id, id))) {
            return false;
        }
    }
    return world->rolling.next == NODE_NONE;
}

static void make_calm(struct world *world, uint64_t for_us)
{
    world->calm_until_us = world->now_us + for_us;
    network_calm(&world->network, world->calm_until_us);
    for (node_id id = 1; id <= world->options.node_count; id++) {
        *disk_faults(world->hosts[id].disk) = (struct disk_faults){0};
        world->hosts[id].slow_until_us = 0;
    }
}

static void give_up(struct host *host)
{
    struct damage *damage = &host->damage;
    if (damage->next == DAMAGE_NONE) {
        condemn(host); /* It has stopped itself; nobody starts it any more. */
        return;
    }
    damage->next = DAMAGE_NONE;
    damage->put_off = 0;
    atlas_repaired(host);
}

bool damage_may_start(struct host *host)
{
    struct damage *damage = &host->damage;
    struct world *world = host->world;
    if (damage->next == DAMAGE_SWAP || (damage->next == DAMAGE_NONE && damage->stops == 0)) {
        return true;
    }
    if (others_are_ready(host)) {
        make_calm(world, JUDGED_AFTER_US + SECOND / 2);
        return true;
    }
    if (++damage->put_off > PUT_OFF_MAX ||
        (damage->next != DAMAGE_NONE && world->phase != PHASE_FIRE)) {
        give_up(host);
        return !host->is_condemned;
    }
    if (damage->put_off == PATIENCE) {
        faults_quell(world);
    }
    if (damage->put_off >= PATIENCE) {
        make_calm(world, SECOND);
    }
    return false;
}

/* ---- what the start finds ---- */

struct paths {
    char items[PATHS_MAX][PATH_SIZE];
    size_t count;
};

static void visit_path(void *context, const char *path)
{
    struct paths *paths = context;
    if (paths->count < PATHS_MAX) {
        (void)snprintf(paths->items[paths->count++], PATH_SIZE, "%s", path);
    }
}

/* Any file; mostly one of the log. NULL when there is none. */
static const char *pick_path(struct host *host, struct paths *paths)
{
    struct prng *prng = &host->damage.prng;
    paths->count = 0;
    disk_visit(host->disk, visit_path, paths);
    if (paths->count == 0) {
        return NULL;
    }
    const char *path = paths->items[prng_below(prng, paths->count)];
    for (int tries = 0; tries < 3 && strncmp(path, "wal/", 4) != 0; tries++) {
        path = paths->items[prng_below(prng, paths->count)];
    }
    return path;
}

static void spoil_files(struct host *host, const char *path)
{
    struct damage *damage = &host->damage;
    struct prng *prng = &damage->prng;
    switch (prng_below(prng, 6)) {
    case 0:
    case 1:
        disk_cut(host->disk, path, prng_below(prng, disk_file_size(host->disk, path) + 1));
        return;
    case 2: disk_delete(host->disk, prng_chance(prng, 1, 2) ? "wal" : "identity"); return;
    case 3:
        if (damage->old_engine != NULL) {
            sim_engine_free(host->engine);
            host->engine = damage->old_engine;
            damage->old_engine = NULL;
            drop(&damage->old_disk, &damage->old_engine); /* Half a copy is none. */
        } else {
            sim_engine_wipe(host->engine);
        }
        sim_engine_power_on(host->engine);
        return;
    default: disk_delete(host->disk, path); return;
    }
}

/* Changes the disk in its place; the machine's own is a copy then. */
static bool spoil(struct host *host, enum damage_kind kind)
{
    struct damage *damage = &host->damage;
    struct prng *prng = &damage->prng;
    struct paths paths;
    const char *path = pick_path(host, &paths);
    if (path == NULL) {
        return false;
    }
    world_trace(host->world, "node %u comes back with %s, %s", host->id, KINDS[kind], path);
    switch (kind) {
    case DAMAGE_ROT: return disk_rot(host->disk, path, prng);
    case DAMAGE_LOST: return disk_lose_write(host->disk, path, prng_below(prng, BACK_MAX));
    case DAMAGE_MISDIRECT:
        return disk_misdirect_write(host->disk, path, prng_below(prng, BACK_MAX), prng);
    case DAMAGE_FILES: spoil_files(host, path); return true;
    case DAMAGE_ENGINE:
        sim_engine_rot(host->engine, prng_below(prng, ENGINE_PARTS), ENGINE_PARTS);
        return true;
    case DAMAGE_NONE:
    case DAMAGE_BACKUP:
    case DAMAGE_WIPE:
    case DAMAGE_SWAP:
    case DAMAGE_KINDS: break;
    }
    return false;
}

/* Gives the machine another disk; its own is kept. */
static bool replace(struct host *host, enum damage_kind kind)
{
    struct damage *damage = &host->damage;
    struct world *world = host->world;
    struct disk *disk = NULL;
    struct engine *engine = NULL;
    if (kind == DAMAGE_BACKUP) {
        disk = damage->old_disk;
        engine = damage->old_engine;
        damage->old_disk = NULL;
        damage->old_engine = NULL;
    } else if (kind == DAMAGE_WIPE) {
        disk = disk_new(prng_next(&damage->prng));
        engine = sim_engine_new(prng_next(&damage->prng), world->options.engine_flush_ppm,
                                world->options.engine_flush_polls);
    } else {
        const struct host *other = &world->hosts[damage->other];
        if (other->is_damaged || other->damage.done != DAMAGE_NONE) {
            return false; /* Whose disk that is now is another question. */
        }
        disk = disk_copy(other->disk);
        engine = sim_engine_copy(other->engine);
    }
    if (disk == NULL) {
        return false;
    }
    damage->own_disk = host->disk;
    damage->own_engine = host->engine;
    host->disk = disk;
    host->engine = engine;
    disk_kill(damage->own_disk);
    sim_engine_power_off(damage->own_engine);
    disk_boot(host->disk);
    sim_engine_power_on(host->engine);
    return true;
}

void damage_before_start(struct host *host)
{
    struct damage *damage = &host->damage;
    memset(host->heard_promise, 0, sizeof host->heard_promise);
    damage->watch = WATCH_NOTHING;
    if (damage->done != DAMAGE_NONE) {
        host->said_before = 0; /* A start that ended as an old copy does not count. */
    }
    if (damage->next == DAMAGE_NONE) {
        return;
    }
    const enum damage_kind kind = damage->next;
    const bool replaces = kind == DAMAGE_BACKUP || kind == DAMAGE_WIPE || kind == DAMAGE_SWAP;
    damage->next = DAMAGE_NONE;
    damage->stops = 0;
    if (!replaces) {
        damage->own_disk = disk_copy(host->disk);
        damage->own_engine = sim_engine_copy(host->engine);
    }
    if (!(replaces ? replace(host, kind) : spoil(host, kind))) {
        settle(host);
        return;
    }
    damage->done = kind;
    host->said_before = 0;
    world_trace(host->world, "node %u comes back with %s", host->id, KINDS[kind]);
}

/* ---- what becomes of it ---- */

static bool names_a_file(const char *error)
{
    static const char *const NAMES[] = {"wal/", "db/", "identity", "snapshots/"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strstr(error, NAMES[i]) != NULL) {
            return true;
        }
    }
    return false;
}

bool damage_start_failed(struct host *host, int err, const char *error)
{
    switch (host->damage.done) {
    case DAMAGE_SWAP:
        if (err != Q_EINVAL || strstr(error, "belongs to another member of cluster") == NULL) {
            return false;
        }
        damage_undo(host);
        return true;
    case DAMAGE_ROT:
    case DAMAGE_LOST:
    case DAMAGE_MISDIRECT:
    case DAMAGE_FILES:
    case DAMAGE_ENGINE:
        if (err != Q_ECORRUPT || !names_a_file(error)) {
            return false;
        }
        condemn(host);
        return true;
    case DAMAGE_NONE:
    case DAMAGE_BACKUP:
    case DAMAGE_WIPE:
    case DAMAGE_KINDS: break;
    }
    return false;
}

/* True when the process lacks something of what its disk had promised. */
static bool has_forgotten(const struct host *host, const struct raft *raft)
{
    struct violation violation = {0};
    struct oracle oracle = {.violation = &violation};
    check_recovered(&oracle, &host->world->oracle.mirrors[host->id], raft);
    return violation.found;
}

/* True when a process that is up has heard a promise that is not there any more. */
static bool is_witnessed(const struct host *host, const struct raft *raft)
{
    const struct world *world = host->world;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct heard_promise *heard = &world->hosts[id].heard_promise[host->id];
        if (world->hosts[id].node != NULL &&
            (raft->hard.term < heard->term ||
             (raft->hard.term == heard->term && raft->log.last_index < heard->index))) {
            return true;
        }
    }
    return false;
}

bool damage_started(struct host *host, const struct raft *raft)
{
    struct damage *damage = &host->damage;
    struct violation *violation = &host->world->violation;
    if (damage->done == DAMAGE_NONE) {
        return true;
    }
    damage->judged_at_us = host->world->now_us + JUDGED_AFTER_US;
    if (damage->done == DAMAGE_SWAP || (damage->done == DAMAGE_WIPE && raft != NULL)) {
        violation_report(violation, "disks", "node %u starts from %s as if it were its own",
                         host->id, KINDS[damage->done]);
        return true;
    }
    if (raft == NULL) {
        damage->watch = WATCH_STRANGER;
    } else if (has_forgotten(host, raft)) {
        if (!is_witnessed(host, raft)) {
            world_trace(host->world, "node %u has its own disk back: nobody could know", host->id);
            return false;
        }
        world_trace(host->world, "node %u has forgotten what others know", host->id);
        damage->watch = WATCH_STALE;
    }
    return true;
}

static void look_at_stranger(struct host *host)
{
    struct violation *violation = &host->world->violation;
    if (host_raft(host) != NULL) {
        violation_report(violation, "disks", "node %u joined though its directory is new",
                         host->id);
        return;
    }
    if (host->world->now_us < host->damage.judged_at_us || host->is_condemned) {
        return;
    }
    if (!atlas_is_in_core(host->world, host->id)) {
        return; /* Broken for ever meanwhile: perhaps nobody can tell it. */
    }
    struct node_status status;
    node_status(host->node, &status);
    if (strstr(status.waiting_for, "disk was lost or replaced") == NULL) {
        violation_report(violation, "disks",
                         "node %u has an empty disk and does not say what to do: \"%.200s\"",
                         host->id, status.waiting_for);
    }
    condemn(host); /* It stays up, and out. */
}

void damage_look(struct host *host)
{
    struct damage *damage = &host->damage;
    if (damage->done == DAMAGE_NONE) {
        return;
    }
    damage->has_taken_part |= node_takes_part(host->node);
    const bool is_late = host->world->now_us >= damage->judged_at_us;
    switch (damage->watch) {
    case WATCH_STRANGER: look_at_stranger(host); return;
    case WATCH_STALE:
        if (is_late) {
            violation_report(&host->world->violation, "stale",
                             "node %u came back with %s, which others can tell, and goes on",
                             host->id, KINDS[damage->done]);
        }
        return;
    case WATCH_NOTHING:
        if (is_late && damage->done != DAMAGE_ENGINE) {
            settle(host); /* No harm was done. */
        }
        return;
    }
}

void damage_sends_raft(struct host *host)
{
    if (host->damage.watch != WATCH_NOTHING) {
        violation_report(&host->world->violation, "stale",
                         "node %u came back with %s and takes part", host->id,
                         KINDS[host->damage.done]);
    }
}

void damage_heard(struct host *host, node_id from, struct bytes body)
{
    const size_t count = raft_message_entry_count(body);
    struct raft_entry *entries = heap_alloc_raw((count + 1) * sizeof *entries);
    struct raft_message message;
    const int err = raft_message_decode(body, &message, entries, count);
    heap_free(entries);
    if (err != Q_OK) {
        return;
    }
    struct heard_promise said = {.term = message.term};
    switch (message.kind) {
    case RAFT_MSG_APPEND: said.index = message.index; break;
    case RAFT_MSG_APPEND_REPLY:
        said.index = message.index;
        if (message.reject || message.index == 0) {
            return; /* Not a promise. */
        }
        break;
    case RAFT_MSG_HEARTBEAT:
    case RAFT_MSG_VOTE:
    case RAFT_MSG_VOTE_REPLY: break;
    case RAFT_MSG_PRE_VOTE:
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_HEARTBEAT_REPLY:
    case RAFT_MSG_TIMEOUT_NOW: return;
    }
    struct heard_promise *heard = &host->heard_promise[from];
    if (said.term > heard->term || (said.term == heard->term && said.index > heard->index)) {
        *heard = said;
    }
}

bool damage_stopped(struct host *host, int err, const char *error)
{
    struct damage *damage = &host->damage;
    if (err == Q_ECORRUPT && damage->done == DAMAGE_ENGINE) {
        condemn(host);
        return true;
    }
    if (err != Q_ESTALE) {
        return false;
    }
    if (damage->done == DAMAGE_NONE) {
        violation_report(&host->world->violation, "stale",
                         "node %u takes its own disk for an old copy: %s", host->id, error);
    } else if (strstr(error, "old copy") == NULL ||
               strstr(error, "leave this node stopped") == NULL) {
        violation_report(&host->world->violation, "stale",
                         "node %u does not say what to do: \"%s\"", host->id, error);
    }
    damage->put_off = 0;
    if (++damage->stops >= STOPS_MAX) {
        condemn(host);
    }
    return true;
}

bool damage_is_judged_here(const struct host *host)
{
    return host->damage.watch == WATCH_STALE;
}
