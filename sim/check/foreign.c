#include "sim/check/checks.h"

void check_foreign(struct oracle *oracle,
                   node_id node,
                   const struct raft *before,
                   const struct raft *after)
{
    /* Byte by byte, as `before` was copied: even a clock that counts the sender as heard would be
     * an effect. */
    if (after == NULL ||
        !bytes_equal(bytes_of(before, sizeof *before), bytes_of(after, sizeof *after))) {
        violation_report(oracle->violation, "foreign",
                         "a frame of another cluster had an effect on node %u in term %llu", node,
                         (unsigned long long)before->hard.term);
    }
}
