/* The trace of a run: one line per event, for a human who has not seen the code.
 *
 *      2354.806 node 3 -> 1: vote term 1 log ends at 0/0
 *
 * is time in milliseconds, who, and what; `<-` is the arrival of what was sent. Log positions are
 * index/term. Nothing here is called, and nothing is formatted, unless the options say verbose.
 */
#ifndef Q_SIM_TRACE_H
#define Q_SIM_TRACE_H

#include "base/limits.h"
#include "base/os/buf.h"

struct world;

/* What was said last of things that begin in one place and end in another, or just by time. */
struct trace {
    struct trace_host {
        uint64_t paused_until_us; /* 0 = it is not. */
        uint64_t slow_until_us;
        uint64_t clogged_until_us;
        int64_t wall_offset_ms;
        bool is_full;
        bool sync_fails;
        bool write_fails;
        bool read_fails;
        bool is_known; /* The wall clock is. */
    } hosts[NODES_MAX + 1];
    bool is_connected[NODES_MAX + 1][NODES_MAX + 1];
};

/* What a body of a frame between nodes says, without a newline. */
void trace_describe(struct bytes body, struct buf *out);

/* One line, when the trace is on. */
void world_trace(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `node AT ARROW OTHER: what the body says NOTE`, when the trace is on. */
void trace_message(const struct world *world,
                   uint32_t at,
                   const char *arrow,
                   uint32_t other,
                   struct bytes body,
                   const char *note);
/* Before an event: what has ended by time since the last one. */
void trace_ends(struct world *world);
/* After an event: what it began, changed or ended. */
void trace_changes(struct world *world);

#endif
