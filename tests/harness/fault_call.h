/* What calls a test could make fail, and which of them it did: call sites by kind and place. */
#ifndef Q_TESTS_HARNESS_FAULT_CALL_H
#define Q_TESTS_HARNESS_FAULT_CALL_H

#include <stdbool.h>
#include <stddef.h>

#define FAULT_SITES_MAX 256
#define FAULT_TRACE_MAX 8192
#define FAULT_NAME_SIZE 48

/* Functions of struct files, then of struct engine. */
enum fault_kind {
    FAULT_OPEN,
    FAULT_SIZE,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_TRUNCATE,
    FAULT_RENAME,
    FAULT_REMOVE,
    FAULT_MAKE_DIRECTORY,
    FAULT_SYNC_DIRECTORY,
    FAULT_LIST,
    FAULT_GET,
    FAULT_GET_PERSISTED,
    FAULT_BATCH, /* struct engine's write. */
    FAULT_FLUSH,
    FAULT_ITERATE,
    FAULT_KINDS
};

struct fault_call {
    enum fault_kind kind;
    const char *path; /* What the call is about; "" = the data directory itself. */
    const void *site; /* Where the program goes on after it. */
};

struct fault_site {
    enum fault_kind kind;
    const void *site;
    size_t calls;
    size_t failures;
};

/* All zero at first. */
struct fault_calls {
    struct fault_site sites[FAULT_SITES_MAX];
    size_t count;
    size_t failures;                  /* Since the test set it to 0. */
    size_t trace_count;               /* Calls since the test set it to 0... */
    size_t trace[FAULT_TRACE_MAX];    /* ...and the site of each. */
    enum fault_kind failed_kind;      /* Of the last of these failures. */
    char first_path[FAULT_NAME_SIZE]; /* Of the first of these failures... */
    char last_path[FAULT_NAME_SIZE];  /* ...and of the last. */
};

/* Takes note of a call and whether it is going to fail. */
void fault_calls_note(struct fault_calls *calls, const struct fault_call *call, bool fails);
const char *fault_kind_name(enum fault_kind kind);
/* Sites seen of a kind, and those of them that failed at least once. */
size_t fault_calls_seen(const struct fault_calls *calls, enum fault_kind kind);
size_t fault_calls_failed(const struct fault_calls *calls, enum fault_kind kind);

#endif
