#include "sim/check/checks.h"

void check_leader_quorum(struct oracle *oracle, struct mirror *mirror, const struct raft *raft)
{
    const uint64_t passed_ms = raft->now_ms - mirror->looked_at_ms;
    mirror->looked_at_ms = raft->now_ms;
    size_t heard = 1;
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        heard += progress->id != mirror->id &&
                 progress->heard_at_ms + raft->config.election_max_ms >= raft->now_ms;
    }
    if (mirror->role != RAFT_LEADER || mirror->role_before != RAFT_LEADER ||
        mirror->term != mirror->term_before || heard > raft->config.voter_count / 2) {
        mirror->alone_ms = 0;
        return;
    }
    /* Time in which the process stood still is not counted: it could not have noticed. */
    const uint64_t step_max_ms = 2 * (uint64_t)raft->config.heartbeat_ms;
    mirror->alone_ms += passed_ms < step_max_ms ? passed_ms : step_max_ms;
    if (mirror->alone_ms > 3 * (uint64_t)raft->config.election_max_ms) {
        violation_report(oracle->violation, "leader_quorum",
                         "node %u stays leader of term %llu having heard %zu of %zu voters for "
                         "%llu ms",
                         mirror->id, (unsigned long long)mirror->term, heard,
                         raft->config.voter_count, (unsigned long long)mirror->alone_ms);
    }
}
