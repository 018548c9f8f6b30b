/* The event loop of a process: turns, deadlines and flushing, on top of libuv.
 *
 * DESIGN
 *
 * One turn = whatever timers and sockets had to say, then the owner's `turn` function once, then
 * every piece of output that was marked during it, peers before clients. Turn and flush hang on
 * uv_prepare, just before the loop goes to sleep. On uv_check (just after it) what a *timer* queued
 * would wait for the next socket event; that cost 500 ms when tried.
 *
 * Output is marked, not written: all replies of a turn to one connection leave in one system call.
 *
 * A loop belongs to one thread; every function is called from it.
 */
#ifndef Q_NET_LOOP_H
#define Q_NET_LOOP_H

#include "base/list.h"

#include <stdint.h>
#include <uv.h>

struct loop;

#define LOOP_NO_DEADLINE UINT64_MAX

struct loop_owner {
    void *context;
    /* Once per turn, after all events of it. */
    void (*turn)(void *context);
    /* When `turn` wants to be called though nothing happened: clock_monotonic_ms terms, or
     * LOOP_NO_DEADLINE. */
    uint64_t (*next_deadline)(void *context);
};

/* In this order. Messages to peers are on the critical path of every write, replies end it. */
enum loop_queue { LOOP_PEERS, LOOP_CLIENTS, LOOP_QUEUE_COUNT };

/* Embedded in whatever has output to flush. Initialise with loop_work_init. */
struct loop_work {
    struct list link;
    void (*flush)(struct loop_work *work);
};

/* The caller owns the loop: loop_free. */
struct loop *loop_new(const struct loop_owner *owner);
/* Runs until every handle is closed; who opened one closes it before. NULL is fine. */
void loop_free(struct loop *loop);

/* Until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One turn that does not sleep longer than `wait_ms`, for tests. */
void loop_run_once(struct loop *loop, uint32_t wait_ms);

uv_loop_t *loop_uv(struct loop *loop);

void loop_work_init(struct loop_work *work, void (*flush)(struct loop_work *work));
/* Has `flush` called once at the end of this turn, however often it is marked. */
void loop_mark(struct loop *loop, enum loop_queue queue, struct loop_work *work);
/* The object goes away: it will not be flushed. */
void loop_unmark(struct loop_work *work);
/* A flush made new work for `turn`: do not sleep before the next one. */
void loop_again(struct loop *loop);

#endif
