/* Options as text: `name=value` pairs, printed and read back, and the table behind both.
 *
 * A run is determined by the program, the seed and its options, so a line of pairs reproduces it.
 * Besides the rows of the tables in sim/options.h there are `<class>_every_us` for each class of
 * fault and two special names:
 *
 *   draw=0                      nothing is drawn: what is not given has its plain value
 *   faults=kill:2,power:1-3     only these faults happen, each class counted from 1; all, none
 */
#ifndef Q_SIM_OPTION_TEXT_H
#define Q_SIM_OPTION_TEXT_H

#include "base/os/buf.h"
#include "sim/options.h"

#define X(...) 0,
enum { OPTION_COUNT = sizeof((const char[]){OPTION_MAP(X) NETWORK_OPTION_MAP(X) FAULT_MAP(X)}) };
#undef X

struct option {
    const char *name;
    const char *text; /* What it is; may be empty. */
    size_t offset;    /* In struct sim_options. */
    size_t size;
    uint64_t min;
    uint64_t max;
    uint64_t plain;
};

/* number < OPTION_COUNT. */
const struct option *option_at(size_t number);
/* The number of the option with that name; OPTION_COUNT when there is none. */
size_t option_find(const char *name);
uint64_t option_get(const struct sim_options *options, size_t number);
/* `value` within the option's bounds. */
void option_put(struct sim_options *options, size_t number, uint64_t value);

/* ---- what is given from outside ---- */

/* Options that are given, to be laid over those that are drawn. A zeroed one gives nothing. */
struct option_changes {
    bool is_plain; /* Nothing is drawn. */
    bool has_faults;
    struct fault_set faults;
    bool is_given[OPTION_COUNT];
    uint64_t values[OPTION_COUNT];
};

/* Reads pairs separated by blanks. False, and what is wrong in `out_error`, when a name is unknown
 * or a value is none or out of bounds. A later pair replaces an earlier one. */
bool option_changes_parse(struct option_changes *changes,
                          const char *pairs,
                          char *out_error,
                          size_t error_size);
/* Lays `more` over `changes`. */
void option_changes_add(struct option_changes *changes, const struct option_changes *more);
/* The changes that make exactly these options, with draw=0. */
void option_changes_of(const struct sim_options *options, struct option_changes *out);
/* The nodes of enumerated partitions, when these decide the run; else 0. */
uint32_t option_changes_partition_nodes(const struct option_changes *changes);
bool option_changes_are_empty(const struct option_changes *changes);
/* The options of that seed with these changes; keeps out->verbose. Those of an enumerated
 * partition are what sim/partitions says instead of drawn. False when they do not fit together
 * (sim_options_fit). */
bool option_changes_resolve(const struct option_changes *changes,
                            uint64_t seed,
                            struct sim_options *out,
                            const char **out_error);

/* ---- text ---- */

/* Only what was given. */
void option_changes_print(const struct option_changes *changes, struct buf *out);
/* Every option but the seed. */
void sim_options_print(const struct sim_options *options, struct buf *out);
/* draw=0 and what is not plain: as short as it can be, and it still determines the run. */
void sim_options_print_short(const struct sim_options *options, struct buf *out);

#endif
