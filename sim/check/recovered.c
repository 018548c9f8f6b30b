#include "sim/check/checks.h"

/* The log behind an installed snapshot is void when it contradicts the snapshot's last entry: it is
 * an uncommitted branch. Whether the snapshot is right is for other checkers to say. */
static bool was_voided(const struct mirror *mirror, const struct raft *raft)
{
    const struct link_hash held = oracle_durable_at(mirror, raft->log.start_index);
    return held.term != 0 && held.term != raft->log.start_term;
}

void check_recovered(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft)
{
    const struct raft_hard_state *hard = &raft->hard;
    if (hard->term < mirror->durable_term) {
        violation_report(oracle->violation, "recovered",
                         "node %u had synced term %llu and came back in term %llu", mirror->id,
                         (unsigned long long)mirror->durable_term, (unsigned long long)hard->term);
    }
    if (hard->term == mirror->durable_term && mirror->durable_vote != NODE_NONE &&
        hard->vote != mirror->durable_vote) {
        violation_report(oracle->violation, "recovered",
                         "node %u had synced its vote of term %llu for %u and came back with %u",
                         mirror->id, (unsigned long long)hard->term, mirror->durable_vote,
                         hard->vote);
    }
    /* A batch that was on its way may be there in part, and void what it replaces. */
    const bool replaces = mirror->job_from <= mirror->job_last;
    const raft_index last = replaces && mirror->job_from <= mirror->durable_last
                                ? mirror->job_from - 1
                                : mirror->durable_last;
    const struct link_hash held = oracle_durable_at(mirror, last);
    raft_term term = 0;
    if (held.term == 0 || last <= raft->log.start_index || was_voided(mirror, raft)) {
        return;
    }
    if (!raft_log_term(&raft->log, last, &term) || term != held.term) {
        violation_report(oracle->violation, "recovered",
                         "node %u had synced entry %llu of term %llu and came back with a log to "
                         "%llu, that entry's term %llu",
                         mirror->id, (unsigned long long)last, (unsigned long long)held.term,
                         (unsigned long long)raft->log.last_index, (unsigned long long)term);
    }
}
