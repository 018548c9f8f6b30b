/* The run of one seed: takes events in order, moves through the phases, asks the judges. */
#include "sim/world.h"

#include "base/check.h"
#include "base/os/heap.h"
#include "sim/atlas.h"
#include "sim/draw.h"
#include "sim/footprint.h"
#include "sim/heap_count.h"

#include <stdio.h>

#define SAMPLE_US   (500 * MILLISECOND)
#define POLL_US     (50 * MILLISECOND)
#define EVENTS_MAX  UINT64_C(200000000) /* A run beyond is a livelock. */
#define LIVENESS_US (30 * SECOND)       /* For each phase after the faults. */

void world_note(struct world *world, uint64_t a, uint64_t b)
{
    uint64_t hash = world->hash;
    hash = (hash ^ a) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 29 ^ b) * UINT64_C(0xBF58476D1CE4E5B9);
    world->hash = hash ^ hash >> 32;
}

/* ---- phases ---- */

static const char *const PHASES[] = {"fire", "converge", "closing", "quiet", "over"};
static const char *const PURPOSES[] = {"load and faults", "faults are over, all must come to agree",
                                       "every key is read once more", "the leader must stay", ""};

static void enter(struct world *world, enum phase phase, uint64_t limit_us)
{
    world->phase = phase;
    world->phase_until_us = world->now_us + limit_us;
    world_trace(world, "phase %s: %s", PHASES[phase], PURPOSES[phase]);
}

static bool clients_are_idle(const struct world *world)
{
    for (uint32_t i = 0; i < world->options.client_count; i++) {
        if (!client_is_idle(&world->clients[i])) {
            return false;
        }
    }
    return true;
}

static void report_liveness(struct world *world)
{
    char text[800] = "";
    size_t at = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct host *host = &world->hosts[id];
        const struct raft *raft = host_raft(host);
        const int size =
            raft == NULL
                ? snprintf(text + at, sizeof text - at, "; node %u down or booting", id)
                : snprintf(text + at, sizeof text - at,
                           "; node %u: role %d term %llu leader %u last %llu commit %llu applied "
                           "%llu",
                           id, (int)raft->role, (unsigned long long)raft->hard.term, raft->leader,
                           (unsigned long long)raft->log.last_index,
                           (unsigned long long)raft->commit_index,
                           (unsigned long long)raft->applied_index);
        at += (size_t)size < sizeof text - at ? (size_t)size : sizeof text - at - 1;
    }
    violation_report(&world->violation, "liveness", "no end of phase %s %llu s after the faults%s",
                     PHASES[world->phase], (unsigned long long)(LIVENESS_US / SECOND), text);
}

static void wake_clients(struct world *world)
{
    for (uint32_t i = 0; i < world->options.client_count; i++) {
        client_wake_after(&world->clients[i], i);
    }
}

/* Any node of the core: in these phases they have agreed on term and leader. */
static const struct raft *core_raft(const struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct raft *raft = host_raft(&world->hosts[id]);
        if (raft != NULL && atlas_is_in_core(world, id)) {
            return raft;
        }
    }
    return NULL;
}

static raft_term newest_term(const struct world *world)
{
    raft_term newest = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct raft *raft = host_raft(&world->hosts[id]);
        if (raft != NULL && raft->hard.term > newest && atlas_is_in_core(world, id)) {
            newest = raft->hard.term;
        }
    }
    return newest;
}

static void enter_quiet(struct world *world)
{
    world->quiet_term = newest_term(world);
    world->quiet_leader = core_raft(world)->leader;
    enter(world, PHASE_QUIET, UINT64_C(8) * MILLISECOND * world->options.election_max_ms);
}

/* A leader of the core has no reason to go. One from outside may be missed some day; who comes
 * after it must stay. */
static void look_for_change(struct world *world)
{
    if (newest_term(world) == world->quiet_term) {
        return;
    }
    if (!atlas_is_in_core(world, world->quiet_leader)) {
        enter(world, PHASE_CLOSING, LIVENESS_US);
        return;
    }
    violation_report(&world->violation, "liveness",
                     "the leader changed though nothing was wrong: term %llu, then %llu",
                     (unsigned long long)world->quiet_term, (unsigned long long)newest_term(world));
}

/* A leader from outside the core that is too slow to bring everybody together leads lawfully: it is
 * heard. An operator would have it hand over; that happens once, and the phase begins anew. */
static bool hand_over(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count && !world->has_handed_over; id++) {
        struct host *host = &world->hosts[id];
        const struct raft *raft = host_raft(host);
        if (raft == NULL || raft->role != RAFT_LEADER || atlas_is_in_core(world, id)) {
            continue;
        }
        world_trace(world, "node %u is asked to give its leadership away", id);
        world->has_handed_over = true;
        node_resign(host->node);
        host_touch(host);
        enter(world, world->phase, LIVENESS_US);
    }
    return world->has_handed_over && world->now_us < world->phase_until_us;
}

static void step_fire(struct world *world)
{
    const bool enumerates = world->options.partition_nodes > 0;
    if (enumerates) {
        partitions_step(world);
    }
    watch_progress(world);
    /* What stays broken for ever must not begin while a damaged machine hears what it is told. */
    if (world->now_us < world->phase_until_us || damage_needs_calm(world)) {
        return;
    }
    if (enumerates) {
        partitions_end(world);
    }
    damage_clear_away(world);
    faults_heal(world);
    enter(world, PHASE_CONVERGE, LIVENESS_US);
    wake_clients(world);
}

static void step_phase(struct world *world)
{
    const bool late = world->now_us >= world->phase_until_us;
    const bool enumerates = world->options.partition_nodes > 0;
    switch (world->phase) {
    case PHASE_FIRE: step_fire(world); return;
    case PHASE_CONVERGE:
        if (enumerates) {
            partitions_step_healed(world);
        }
        if (clients_are_idle(world) && judge_has_converged(world)) {
            enter(world, PHASE_CLOSING, LIVENESS_US);
            wake_clients(world);
        } else if (late && !hand_over(world)) {
            report_liveness(world);
        }
        return;
    case PHASE_CLOSING:
        if (world->closing_done == workload_key_count(&world->workload) &&
            judge_has_converged(world)) {
            enter_quiet(world);
        } else if (late && !hand_over(world)) {
            report_liveness(world);
        }
        return;
    case PHASE_QUIET:
        look_for_change(world);
        if (late && world->phase == PHASE_QUIET && !judge_has_converged(world)) {
            report_liveness(world);
        } else if (late && world->phase == PHASE_QUIET) {
            world->phase = PHASE_OVER;
        }
        return;
    case PHASE_OVER: return;
    }
}

/* ---- events ---- */

static bool is_for_dead_process(const struct world *world, const struct event *event)
{
    if (event->node == NODE_NONE) {
        return false;
    }
    const struct host *host = &world->hosts[event->node];
    if (event->kind == EVENT_START) {
        return host->node != NULL || event->incarnation != host->incarnation;
    }
    /* Messages are to the machine, not to one process; the connection's epoch judges them. */
    return host->node == NULL ||
           (event->kind != EVENT_MESSAGE && event->incarnation != host->incarnation);
}

static void find_footprint(const struct world *world, struct footprint *out)
{
    /* Partitions by enumeration write for as long as they last. */
    const uint32_t planned = world->options.operation_count;
    const struct footprint_load load = {
        .operations = world->operations_done > planned ? world->operations_done : planned,
        .filler_size = world->workload.filler_size,
        .filler_keys = WORKLOAD_FILLER_KEYS,
        .request_size_max = world->request_size_max};
    footprint_of(&world->options, &load, out);
}

static void sample(struct world *world)
{
    struct footprint footprint;
    find_footprint(world, &footprint);
    for (node_id id = 1; id <= world->options.node_count; id++) {
        host_sample(&world->hosts[id]);
        footprint_check_disk(&world->violation, &footprint, id,
                             disk_used_bytes(world->hosts[id].disk));
    }
    events_push(&world->events,
                (struct event){.at_us = world->now_us + SAMPLE_US, .kind = EVENT_SAMPLE});
}

static void happen(struct world *world, struct event *event)
{
    struct host *host = &world->hosts[event->node];
    switch (event->kind) {
    case EVENT_MESSAGE: host_message(host, event); break;
    case EVENT_TIMER: host_timer(host, event); break;
    case EVENT_TURN:
        if (host->turn_scheduled) {
            host_turn(host);
        }
        break;
    case EVENT_LOG: host_log(host, event); break;
    case EVENT_PEER: host_peer(host, (node_id)event->a, event->b != 0); break;
    case EVENT_REQUEST: client_request(&world->clients[event->a], event); break;
    case EVENT_START: host_start(host); break;
    case EVENT_RECONNECT: faults_reconnect(world, event); break;
    case EVENT_CLIENT: client_wake(&world->clients[event->a], event); break;
    case EVENT_CLIENT_TIMEOUT: client_timeout(&world->clients[event->a], event); break;
    case EVENT_READ: client_read(&world->clients[event->a], event); break;
    case EVENT_FAULT: faults_happen(world, event); break;
    case EVENT_FAULT_END: faults_end(world, event); break;
    case EVENT_SAMPLE: sample(world); break;
    case EVENT_PHASE:
        step_phase(world);
        events_push(&world->events,
                    (struct event){.at_us = world->now_us + POLL_US, .kind = EVENT_PHASE});
        break;
    }
}

void world_run_until(struct world *world, uint64_t until_us)
{
    struct event event;
    while (world->phase != PHASE_OVER && !world->violation.found &&
           events_next_at(&world->events) <= until_us && events_pop(&world->events, &event)) {
        Q_CHECK(event.at_us >= world->now_us);
        world->now_us = event.at_us;
        trace_ends(world);
        if (is_for_dead_process(world, &event)) {
            heap_free(event.data);
            continue;
        }
        if (event.node != NODE_NONE && event.kind != EVENT_START &&
            host_is_paused(&world->hosts[event.node])) {
            event.at_us = world->hosts[event.node].paused_until_us;
            events_push(&world->events, event);
            continue;
        }
        world_note(world, event.at_us, (uint64_t)event.kind << 32 | event.node);
        happen(world, &event);
        trace_changes(world);
        heap_free(event.data);
        if (++world->event_count == EVENTS_MAX) {
            violation_report(&world->violation, "liveness", "the run does not end");
        }
    }
    if (until_us != UINT64_MAX && world->phase != PHASE_OVER && !world->violation.found) {
        world->now_us = until_us;
    }
}

/* ---- the world ---- */

struct world *world_new(const struct sim_options *options)
{
    struct world *world = heap_alloc(sizeof *world);
    world->options = *options;
    prng_init(&world->prng,
              options->seed ^ UINT64_C(0x5157524154450001) ^ (uint64_t)options->variation << 40);
    network_init(&world->network, &options->network, &world->events, prng_next(&world->prng));
    world->network.node_count = options->node_count;
    workload_init(&world->workload, prng_next(&world->prng), options);
    oracle_init(&world->oracle, options->node_count, &world->violation);
    world->operations_left = options->operation_count;
    world->history = history_new();
    world->local_reads = heap_alloc(LOCAL_READS_MAX * sizeof *world->local_reads);
    for (node_id id = 1; id <= options->node_count; id++) {
        host_init(&world->hosts[id], world, id);
        events_push(&world->events, (struct event){.at_us = prng_below(&world->prng, 2 * SECOND),
                                                   .kind = EVENT_START,
                                                   .node = id});
    }
    for (uint32_t i = 0; i < options->client_count; i++) {
        client_init(&world->clients[i], world, i);
    }
    enter(world, PHASE_FIRE, options->duration_us);
    wake_clients(world);
    faults_init(world);
    events_push(&world->events, (struct event){.at_us = SAMPLE_US, .kind = EVENT_SAMPLE});
    events_push(&world->events, (struct event){.at_us = POLL_US, .kind = EVENT_PHASE});
    return world;
}

void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->options.client_count; i++) {
        client_deinit(&world->clients[i]);
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        host_deinit(&world->hosts[id]);
    }
    for (size_t i = 0; i < world->local_read_count; i++) {
        heap_free(world->local_reads[i].data);
    }
    heap_free(world->local_reads);
    for (size_t i = 0; i < sizeof world->closings / sizeof world->closings[0]; i++) {
        buf_deinit(&world->closings[i]);
    }
    history_free(world->history);
    workload_deinit(&world->workload);
    events_deinit(&world->events);
    oracle_deinit(&world->oracle);
    heap_free(world);
}

static void judge_heap(struct world *world, size_t peak)
{
    struct footprint footprint;
    find_footprint(world, &footprint);
    footprint_check_heap(&world->violation, &footprint, peak);
}

/* Everything the seed allocated must be gone by now. */
static void judge_leaks(struct world_result *result, size_t live_before)
{
    if (heap_count_live() != live_before) {
        violation_report(&result->violation, "leak", "%zu bytes are left at the end, %zu before",
                         heap_count_live(), live_before);
    }
}

void world_run(const struct sim_options *options, struct world_result *out_result)
{
    const size_t live_before = heap_count_live();
    heap_count_begin();
    marks_clear();
    struct world *world = world_new(options);
    world_run_until(world, UINT64_MAX);
    const size_t heap_peak = heap_count_peak() - live_before; /* Without what judges need. */
    judge_heap(world, heap_peak);
    judge_run(world);
    if (world->violation.found) {
        world_trace(world, "VIOLATION of %s: %s", world->violation.checker,
                    world->violation.reason);
    }
    world->violation.at_us = world->now_us;
    world_note(world, world->operations_done, history_count(world->history));
    marks_read(world->coverage.marks);
    *out_result = (struct world_result){.seed = options->seed,
                                        .simulated_us = world->now_us,
                                        .operations = world->operations_done,
                                        .events = world->event_count,
                                        .faults = world->fault_count,
                                        .hash = world->hash,
                                        .has_ended = true,
                                        .undecided = world->undecided,
                                        .heap_peak = heap_peak,
                                        .partition = world->partition_watch.figures,
                                        .coverage = world->coverage,
                                        .violation = world->violation};
    memcpy(out_result->faults_by_class, world->faults_by_class, sizeof world->faults_by_class);
    world_free(world);
    judge_leaks(out_result, live_before);
}
