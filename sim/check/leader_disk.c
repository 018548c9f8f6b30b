#include "sim/check/checks.h"

void check_leader_disk(struct oracle *oracle,
                       struct mirror *mirror,
                       uint64_t busy_us,
                       uint32_t election_max_ms)
{
    const bool leads = mirror->role == RAFT_LEADER && mirror->role_before == RAFT_LEADER &&
                       mirror->term == mirror->term_before;
    mirror->stuck_us = leads && busy_us > 0 ? mirror->stuck_us + busy_us : 0;
    if (mirror->stuck_us > 3000 * (uint64_t)election_max_ms && oracle->node_count > 1) {
        violation_report(oracle->violation, "leader_disk",
                         "node %u stays leader of term %llu though its log device has not "
                         "completed a write for %llu ms",
                         mirror->id, (unsigned long long)mirror->term,
                         (unsigned long long)(mirror->stuck_us / 1000));
    }
}
