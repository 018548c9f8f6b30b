/* The end of a run: did the cluster come together, and did it tell its clients the truth. */
#include "sim/atlas.h"
#include "sim/world.h"

#define STEPS_MAX 500000 /* Of the search per key: about half a second. */

/* It leads in that term, and is there to do so. It may be outside the core: one whose links flap
 * or that hardly gets to run may lead for as long as nobody misses it. */
static bool leads(const struct host *host, raft_term term)
{
    const bool is_here = !host_is_paused(host) || host->starved_until_us > host->world->now_us;
    const struct raft *raft = is_here ? host_raft(host) : NULL;
    return raft != NULL && raft->role == RAFT_LEADER && raft->hard.term == term;
}

bool judge_has_converged(struct world *world)
{
    node_id leader = NODE_NONE;
    raft_term term = 0;
    raft_index last = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (!atlas_is_in_core(world, id)) {
            continue;
        }
        const struct host *host = &world->hosts[id];
        const struct raft *raft = host_is_paused(host) ? NULL : host_raft(host);
        if (raft == NULL || raft->leader == NODE_NONE) {
            return false;
        }
        if (leader == NODE_NONE) {
            leader = raft->leader;
            term = raft->hard.term;
            last = raft->log.last_index;
        }
        if (raft->leader != leader || raft->hard.term != term || raft->log.last_index != last ||
            raft->applied_index != last) {
            return false;
        }
    }
    return leads(&world->hosts[leader], term);
}

static void judge_states(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        struct host *host = &world->hosts[id];
        const struct raft *raft = host_raft(host);
        const uint64_t hash = raft == NULL ? 0 : node_state_hash(host->node);
        if (raft != NULL && (hash != 0 || atlas_is_in_core(world, id))) {
            check_state_hash(&world->oracle, id, raft->applied_index, hash);
        }
    }
}

static void judge_history(struct world *world)
{
    const struct verdict verdicts[] = {history_check_failures(world->history),
                                       history_check_lists(world->history),
                                       history_check_linearizable(world->history, STEPS_MAX)};
    static const char *const NAMES[] = {"failures", "lists", "linearizable"};
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (!verdicts[i].ok) {
            violation_report(&world->violation, NAMES[i], "%s", verdicts[i].reason);
        } else if (verdicts[i].undecided > 0) {
            world->undecided += verdicts[i].undecided;
            world_trace(world, "%s: undecided: %s", NAMES[i], verdicts[i].reason);
        }
    }
}

static void judge_local_reads(struct world *world)
{
    for (size_t i = 0; i < world->local_read_count; i++) {
        const struct local_read *read = &world->local_reads[i];
        const struct bytes seen = bytes_of(read->data, read->size);
        const struct bytes closing =
            buf_bytes(&world->closings[workload_key(&world->workload, read->key)]);
        if (read->absent) {
            continue; /* Every key was absent once. */
        }
        if (read->key[0] == 'r') {
            check_local_register(&world->violation, read->key, seen,
                                 workload_wrote(&world->workload, read->key, seen));
        } else if (read->key[0] == 'c') {
            check_local_counter(&world->violation, read->key, seen, closing);
        } else {
            check_local_growing(&world->violation, read->key, seen, closing);
        }
    }
}

void judge_run(struct world *world)
{
    if (!world->violation.found) {
        judge_states(world);
        judge_history(world);
        judge_local_reads(world);
        alone_judge(world);
    }
}
