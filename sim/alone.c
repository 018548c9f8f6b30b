/* The end of a run: what each node has on its own disk must be enough to have its state again.
 *
 * Every machine that is well loses power once more and its node is started, alone. The entries
 * between the state it finds (a persisted prefix of the batches it wrote) and what it had applied
 * are in its log; applying them must give the state that it had. The run is over: nobody goes on
 * with these nodes.
 */
#include "base/check.h"
#include "base/err.h"
#include "node/machine/machine.h"
#include "sim/world.h"

#define GROUP ((group_id)1) /* The one there is. */

/* A node before it lost power. */
struct before {
    raft_index applied;
    uint64_t hash;
};

static bool is_well(const struct host *host)
{
    return host->node != NULL && host->has_raft && !host->is_condemned && !host->is_damaged &&
           !host->is_outside && !host_is_paused(host);
}

static void report(struct host *host, const char *what, uint64_t is, uint64_t was)
{
    violation_report(&host->world->violation, "alone",
                     "node %u, started again alone: %s is %016llx, it was %016llx", host->id, what,
                     (unsigned long long)is, (unsigned long long)was);
}

/* Applies the entries up to `applied` to what the engine holds. */
static void replay(struct host *host, const struct before *before)
{
    const struct raft_log *log = &host_raft(host)->log;
    struct machine machine;
    struct buf reply = {0};
    Q_CHECK(machine_init(&machine, host->engine, GROUP) == Q_OK);
    while (machine.meta.applied_index < before->applied) {
        const raft_index index = machine.meta.applied_index + 1;
        buf_clear(&reply);
        Q_CHECK(machine_apply(&machine, index, raft_log_at(log, index), &reply) == Q_OK);
    }
    Q_CHECK(machine_commit(&machine) == Q_OK);
    const uint64_t hash = machine_hash(&machine);
    if (hash != before->hash) {
        report(host, "its state", hash, before->hash);
    }
    machine_deinit(&machine);
    buf_deinit(&reply);
}

static void judge_host(struct host *host)
{
    struct oracle *oracle = &host->world->oracle;
    const struct before before = {.applied = host_raft(host)->applied_index,
                                  .hash = node_state_hash(host->node)};
    if (before.hash == 0) {
        return; /* A snapshot is being installed. */
    }
    host_crash(host, true, FOREVER);
    host_start(host);
    const struct raft *raft = host_raft(host);
    if (raft == NULL) {
        report(host, "its state", 0, before.hash);
        return;
    }
    check_state_hash(oracle, host->id, raft->applied_index, node_state_hash(host->node));
    if (raft->log.last_index < before.applied) {
        report(host, "the end of its log", raft->log.last_index, before.applied);
    } else if (raft->applied_index > before.applied || raft->log.start_index > before.applied) {
        report(host, "its applied index", raft->applied_index, before.applied);
    } else {
        replay(host, &before);
    }
}

void alone_judge(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count && !world->violation.found; id++) {
        if (is_well(&world->hosts[id])) {
            judge_host(&world->hosts[id]);
        }
    }
}
