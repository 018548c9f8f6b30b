#include "sim/check/checks.h"

void check_committed_is_durable(struct oracle *oracle, const struct mirror *mirror)
{
    const size_t quorum = oracle->node_count / 2 + 1;
    raft_index at = oracle->committed_last;
    at = at < mirror->commit_before ? mirror->commit_before : at;
    for (at++; at <= mirror->commit_index; at++) {
        const struct link_hash link = mirror_at(mirror, at);
        if (link.term == 0) {
            continue;
        }
        const size_t count = oracle_durable_count(oracle, at, link);
        if (count < quorum) {
            violation_report(oracle->violation, "committed_is_durable",
                             "node %u committed entry %llu of term %llu, which is on %zu of %zu "
                             "disks",
                             mirror->id, (unsigned long long)at, (unsigned long long)link.term,
                             count, oracle->node_count);
            return;
        }
    }
}
