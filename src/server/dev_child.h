/* One node of a local cluster as `quorate dev` sees it: a child process that runs `quorate serve`.
 */
#ifndef Q_SERVER_DEV_CHILD_H
#define Q_SERVER_DEV_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEV_PORTS_PER_NODE 10 /* Node i: RESP at base + 10 (i - 1), HTTP one up, peers two up. */

struct dev_child {
    unsigned number; /* From 1. */
    uint16_t port;   /* RESP. */
    char directory[PATH_MAX];
    pid_t pid; /* 0: not running. */
    uint64_t started_at_ms;
    uint64_t restart_at_ms;
    uint32_t delay_ms; /* Before the next restart; grows while it dies young. */
    bool was_ready;
    char reason[400]; /* Why it was not ready when asked last; empty = it said nothing. */
};

/* How a child is started. */
struct dev_launch {
    const char *program; /* Path of this program. */
    const char *cluster; /* The list of peer addresses. */
    char *const *flags;  /* Passed on to serve. */
    size_t flag_count;
};

/* Makes the child's directories. False: `error` says why not. */
bool dev_child_prepare(struct dev_child *child, char *error, size_t error_size);
/* Forks and runs it; writes DIR/pid. The child ends when this process does. */
bool dev_child_start(struct dev_child *child,
                     const struct dev_launch *launch,
                     char *error,
                     size_t error_size);
/* True: it has ended (out_status as of waitpid); its pid file is gone. */
bool dev_child_reap(struct dev_child *child, int *out_status);
/* The last line of its log, cut to fit; empty when there is none. */
void dev_child_last_words(const struct dev_child *child, char *out, size_t size);
/* When to start it again, after it ended. */
void dev_child_plan_restart(struct dev_child *child, uint64_t now_ms);
/* Asks its /readyz; waits a moment at most. */
bool dev_child_is_ready(struct dev_child *child);

#endif
