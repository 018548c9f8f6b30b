#include "sim/check/checks.h"

void check_leader_append_only(struct oracle *oracle, const struct mirror *mirror)
{
    if (mirror->lost_from == 0) {
        return;
    }
    if (mirror->role == RAFT_LEADER && mirror->role_before == RAFT_LEADER &&
        mirror->term == mirror->term_before) {
        violation_report(oracle->violation, "leader_append_only",
                         "node %u, leader of term %llu, dropped its entry %llu", mirror->id,
                         (unsigned long long)mirror->term, (unsigned long long)mirror->lost_from);
    }
    /* A snapshot may stand in for what it covers, hence start_index. */
    if (mirror->lost_from <= mirror->commit_before && mirror->lost_from > mirror->start_index) {
        violation_report(oracle->violation, "leader_append_only",
                         "node %u dropped entry %llu, which it knew to be committed (commit %llu)",
                         mirror->id, (unsigned long long)mirror->lost_from,
                         (unsigned long long)mirror->commit_before);
    }
}
