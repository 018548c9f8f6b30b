#include "sim/check/checks.h"

void check_leader_completeness(struct oracle *oracle, const struct mirror *mirror)
{
    if (mirror->role != RAFT_LEADER ||
        (mirror->role_before == RAFT_LEADER && mirror->term_before == mirror->term)) {
        return;
    }
    /* A slow candidate may win its old term after a later leader has committed: only earlier terms
     * bind it. */
    raft_index index = oracle->committed_last;
    while (index > 0 && oracle->indexes[index].committed_in >= mirror->term) {
        index--;
    }
    if (index == 0 || index <= mirror->start_index) {
        return;
    }
    const struct link_hash held = mirror_at(mirror, index);
    const struct link_hash committed = oracle->indexes[index].committed;
    if (committed.term != 0 && (held.term != committed.term || held.chain != committed.chain)) {
        violation_report(oracle->violation, "leader_completeness",
                         "node %u leads term %llu without entry %llu, committed in term %llu",
                         mirror->id, (unsigned long long)mirror->term, (unsigned long long)index,
                         (unsigned long long)oracle->indexes[index].committed_in);
    }
}
