/* What the judges of a history share: its operations, grouped by key and put on one time line.
 *
 * Private to sim/check. Judges compare stamps instead of times: stamps number all invocations and
 * returns of the history in the order they happened, so that no two are equal.
 */
#ifndef Q_SIM_CHECK_JUDGE_H
#define Q_SIM_CHECK_JUDGE_H

#include "sim/check/history.h"

/* The stamp of a return that never came: the operation may take effect at any later time. */
#define STAMP_NEVER UINT64_MAX

struct operation {
    uint32_t client;
    enum history_kind kind;
    enum history_outcome outcome;
    bool absent;
    struct bytes key; /* Owned, with argument and expected behind it in one piece. */
    struct bytes argument;
    struct bytes expected;
    struct bytes result; /* Owned. */
    uint64_t invoked_at;
    uint64_t returned_at;
    uint64_t invoked_order; /* Its place among all recorded moments. */
    uint64_t returned_order;
};

struct history {
    /* Owned. */
    struct operation *operations;
    size_t count;
    size_t capacity;
    uint64_t moments; /* Recorded so far; the next one's order. */
};

/* An operation as the judges see it. */
struct deed {
    const struct operation *of; /* Borrowed from the history. */
    uint64_t started;           /* Stamps. */
    uint64_t ended;             /* STAMP_NEVER for UNKNOWN and PENDING. */
    uint64_t given_up;          /* As ended, but for UNKNOWN when its client stopped waiting. */
};

/* All deeds, those of one key together, each key's in order of `started`. */
struct docket {
    /* Owned. */
    struct deed *deeds;
    size_t count;
};

/* The deeds of one key. Borrowed from the docket. */
struct suit {
    struct bytes key;
    const struct deed *deeds;
    size_t count;
};

void docket_init(struct docket *docket, const struct history *history);
void docket_deinit(struct docket *docket);
/* The suit that starts at deed `*at`, which is moved past it. False at the end. */
bool docket_next(const struct docket *docket, size_t *at, struct suit *out_suit);

static inline bool deed_is_ok(const struct deed *deed)
{
    return deed->of->outcome == HISTORY_OK;
}

/* UNKNOWN or PENDING: it may have taken effect. */
static inline bool deed_is_unsure(const struct deed *deed)
{
    return deed->of->outcome == HISTORY_UNKNOWN || deed->of->outcome == HISTORY_PENDING;
}

bool kind_is_read(enum history_kind kind);
/* One line for people: who did what when, with long bytes cut. Returns `out`. */
const char *deed_text(const struct deed *deed, char *out, size_t size);

struct verdict verdict_ok(void);
struct verdict verdict_bad(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How a key that only grows is judged; see growing.c. */
enum growing_answer {
    GROWING_OK,
    GROWING_BAD,
    GROWING_UNFIT,    /* Not such a key: search instead. */
    GROWING_UNDECIDED /* Too many ways to fill gaps with UNKNOWN updates. */
};
enum growing_answer growing_check(const struct suit *suit, struct verdict *out_verdict);

/* Which growing kind a key is, judged by its operations. */
enum growing_kind { GROWING_NONE, GROWING_APPEND, GROWING_LIST, GROWING_COUNTER };
enum growing_kind growing_kind_of(const struct suit *suit);

/* Where an element lies in a key's contents: units are bytes for appends, elements for lists and
 * sums for counters. */
struct piece {
    const struct deed *deed;
    int64_t from;
    int64_t to;
};

/* What growing_split found. */
enum split {
    SPLIT_OK,
    SPLIT_STRANGE, /* An element that nobody wrote. */
    SPLIT_FAILED,  /* One written by an operation that FAILED. */
    SPLIT_TWICE    /* One that is there twice. */
};

/* Finds out whose elements make up `whole`, the result of a read, and writes one piece for each,
 * in order. `out_pieces` has room for suit->count. Writes a verdict unless SPLIT_OK. */
enum split growing_split(const struct suit *suit,
                         enum growing_kind kind,
                         const struct deed *whole,
                         struct piece *out_pieces,
                         size_t *out_count,
                         struct verdict *out_verdict);
/* How many units a read saw. False when its result is malformed. */
bool growing_extent(enum growing_kind kind, const struct deed *read, int64_t *out_extent);
/* True when the contents `a` are the beginning of `b`. */
bool growing_is_prefix(enum growing_kind kind, struct bytes a, struct bytes b);

/* A stretch of a growing key's contents that nobody has named. Only updates that started before
 * the stamp `deadline` may fill it. */
struct gap {
    int64_t size;
    uint64_t deadline;
};

/* An update of unknown outcome that nobody saw. */
struct spare {
    int64_t size;
    uint64_t started;
};

enum filling { FILLING_FOUND, FILLING_NONE, FILLING_UNDECIDED };

/* Says whether the gaps, whose deadlines never fall, can all be filled exactly, each spare update
 * being used at most once. Sorts `spares`. On FILLING_NONE `out_gap` is the first gap that no way
 * of filling those before it leaves fillable. See filling.c. */
enum filling filling_find(const struct gap *gaps,
                          size_t gap_count,
                          struct spare *spares,
                          size_t spare_count,
                          size_t *out_gap);

struct zones;

/* Wing and Gong's search; see search.c. `zones` are those of the suit. */
struct verdict search_check(const struct suit *suit, const struct zones *zones, uint64_t steps_max);

#endif
