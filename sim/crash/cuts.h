/* Every way in which a machine may crash along a tape: all of them, or a sample.
 *
 * At each point of the tape, that is before its first operation and after each:
 *
 *   - the process is killed, with each prefix of the engine's batches;
 *   - the power fails, with every combination of fates kept or lost when there are at most
 *     CUTS_COMBINATIONS_MAX of them (12 outstanding operations never make more), else with
 *     CUTS_RANDOM drawn ones and the corners: all, none, all but one, only one;
 *   - the newest outstanding write is torn: at each byte when it has at most a sector, else at each
 *     sector boundary and CUTS_TEARS random bytes; all else being kept, and all other data lost;
 *   - of a newest write of several sectors any set of sectors is kept: every set when it has at
 *     most CUTS_SECTORS_MAX, else CUTS_SECTOR_SETS drawn ones.
 *
 * A sample takes of each point one kill, all, none, and CUTS_SAMPLE drawn ones, torn or not.
 */
#ifndef Q_SIM_CRASH_CUTS_H
#define Q_SIM_CRASH_CUTS_H

#include "base/prng.h"
#include "sim/crash/tape.h"

#define CUTS_COMBINATIONS_MAX 8192 /* 2^12, with sizes and without. */
#define CUTS_RANDOM           256
#define CUTS_TEARS            64
#define CUTS_SECTORS_MAX      6
#define CUTS_SECTOR_SETS      64
#define CUTS_SAMPLE           2

struct cuts {
    struct tape_cursor cursor;
    struct prng prng;
    bool is_sample;
    size_t end; /* Last point. */
    /* Of the point the cursor is at. */
    bool is_counted;
    size_t newest;  /* Place of the newest outstanding write in cursor.pending; SIZE_MAX = none. */
    bool has_sizes; /* Some outstanding write makes its file longer. */
    uint64_t kills;
    uint64_t combinations; /* CUTS_COMBINATIONS_MAX + 1 = too many. */
    uint64_t subsets;
    uint64_t tears;
    uint64_t sector_sets;
    uint64_t next; /* Number of the next cut of this point. */
};

/* The points [first, end] of a tape, which is borrowed and must not change meanwhile. */
void cuts_init(struct cuts *cuts, const struct tape *tape, size_t first, size_t end, uint64_t seed);
/* Only a sample of each point, from now on. */
void cuts_sample(struct cuts *cuts);
void cuts_deinit(struct cuts *cuts);
/* The next cut, at point cuts->cursor.at; false at the end. */
bool cuts_next(struct cuts *cuts, struct tape_cut *out_cut);

#endif
