/* Makes a failing run small: fewer operations, nodes, kinds of trouble, single faults.
 *
 * A smaller run counts when it fails in the same way: the same checker, or, when the process died,
 * the same failed check. Every change sets the run on another course, so a bug that needs luck may
 * hide though its cause is still there: each step is also tried with a few other variations, more
 * of them in later rounds, when runs are short. Faults keep their time and their target
 * (sim/faults.c), and so can be left out one by one.
 */
#ifndef Q_SIM_SHRINK_H
#define Q_SIM_SHRINK_H

#include "sim/options.h"

#define SHRINK_JOBS_MAX 16

struct shrink_limits {
    uint32_t jobs;          /* Processes at a time; at most SHRINK_JOBS_MAX. */
    uint64_t time_limit_ms; /* After it the smallest run so far is taken. */
};

/* Replaces `options` by those of the smallest run found, and says on stdout what it does. False
 * when the given run does not fail at all. */
bool shrink(struct sim_options *options, const struct shrink_limits *limits);

#endif
