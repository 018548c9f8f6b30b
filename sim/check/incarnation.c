#include "sim/check/checks.h"

void check_incarnation(struct violation *violation, node_id node, uint64_t earlier, uint64_t now)
{
    if (now <= earlier) {
        violation_report(violation, "incarnation",
                         "node %u speaks as incarnation %llu; an earlier process of it was %llu",
                         node, (unsigned long long)now, (unsigned long long)earlier);
    }
}
