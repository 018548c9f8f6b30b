/* Runs a piece of a test in a process of its own: it may die, hang or spoil its memory. */
#ifndef Q_TESTS_HARNESS_CHILD_H
#define Q_TESTS_HARNESS_CHILD_H

#include "base/os/buf.h"

#define CHILD_ERRORS_SIZE 4096

struct child_result {
    int code;                       /* What `work` returned; -1 when a signal ended it. */
    int signal;                     /* Which; SIGALRM at the time limit. 0 = none. */
    char errors[CHILD_ERRORS_SIZE]; /* The beginning of what it wrote to stderr. */
    struct buf out;                 /* Owned. What it wrote to `out_fd`. */
};

/* The caller owns *out_result: child_result_deinit. `work` returns 0 to 255. Threads of the parent
 * do not exist in the child, so it must have none. */
void child_run(int (*work)(void *context, int out_fd),
               void *context,
               unsigned limit_s,
               struct child_result *out_result);
void child_result_deinit(struct child_result *result);
/* Empties a directory. */
void directory_clear(const char *path);
/* Copies the files and directories below one directory into another, which is empty. */
void directory_copy(const char *from, const char *to);

#endif
