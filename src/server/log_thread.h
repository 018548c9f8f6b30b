/* The one thread that waits for the disk, so that the loop's thread never does.
 *
 * It executes one blocking job at a time (a batch of the write-ahead log: write, then fdatasync)
 * and tells the loop by an eventfd. The owner may start the next job from within the completion.
 */
#ifndef Q_SERVER_LOG_THREAD_H
#define Q_SERVER_LOG_THREAD_H

#include "net/loop.h"

#include <stdbool.h>

struct log_thread;

struct log_thread_owner {
    void *context;
    /* In the log thread; blocks. Its result goes to `done`. */
    int (*work)(void *context);
    /* In the loop's thread. */
    void (*done)(void *context, int result);
};

/* The caller owns it: log_thread_close. */
struct log_thread *log_thread_new(struct loop *loop, const struct log_thread_owner *owner);
/* Has `work` run once. No other job may be under way. */
void log_thread_start(struct log_thread *thread);
bool log_thread_is_busy(const struct log_thread *thread);
/* Waits for the job under way and ends the thread; `done` is not called any more. True: there was
 * such a job, and out_result is its result. Memory goes within the next turns of the loop. */
bool log_thread_close(struct log_thread *thread, int *out_result);

#endif
