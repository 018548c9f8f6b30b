/* One run in a child process: whatever it does, the caller lives and learns how it ended. */
#ifndef Q_SIM_ATTEMPT_H
#define Q_SIM_ATTEMPT_H

#include "sim/world.h"

#define ATTEMPT_PLACE_SIZE 128

struct attempt {
    /* With a process that died: has_ended false, and a violation of the checker `assertion`. */
    struct world_result result;
    char place[ATTEMPT_PLACE_SIZE]; /* The failed check or the sanitizer's word; else empty. */
    bool timed_out;                 /* It was ended after its time: result is zero. */
};

/* True when both failed in the same way: the same checker, and if processes died, of the same. */
bool attempt_is_alike(const struct attempt *a, const struct attempt *b);
/* Runs each of the `count` options in a child of its own, all at the same time, for at most
 * `limit_ms`. Their stderr is kept from the terminal. */
void attempt_run(const struct sim_options *options,
                 size_t count,
                 uint64_t limit_ms,
                 struct attempt *out);

/* Runs these options in a child and returns the last `lines` lines of its trace. The caller owns
 * `out`. */
void attempt_trace(const struct sim_options *options, size_t lines, struct buf *out);

#endif
