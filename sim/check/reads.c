#include "sim/check/checks.h"

void check_reads(struct oracle *oracle,
                 struct mirror *mirror,
                 uint64_t round,
                 size_t waiting_before,
                 size_t waiting_now)
{
    const bool went_on = mirror->role == RAFT_LEADER && mirror->role_before == RAFT_LEADER &&
                         mirror->term == mirror->term_before;
    if (went_on && waiting_before > mirror->round_waiting) {
        violation_report(
            oracle->violation, "reads",
            "node %u, leader of term %llu: a read waits for round %llu, which was sent "
            "before the read arrived",
            mirror->id, (unsigned long long)mirror->term, (unsigned long long)mirror->round_sent);
    }
    mirror->round_sent = round;
    mirror->round_waiting = waiting_now;
}
