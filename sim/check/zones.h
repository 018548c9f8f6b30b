/* Zones of a register's values: what must be contiguous, and when at the latest and at the least.
 *
 * DESIGN
 *
 * Values are unique, so each operation that saw a value names its writer. A value's writer, its
 * readers and the CAS that replaced it must stand together in any linearization, and so must a
 * chain of values that replaced each other by CAS: a block. Let `first_end` be the first end and
 * `last_start` the last start among the operations of a block. When first_end < last_start the
 * block's values reign from the one to the other at least (a forward zone); otherwise the block can
 * be shrunk to a moment anywhere between last_start and first_end (a backward zone). Blocks alone
 * can be put in order if and only if no two forward zones overlap and no backward zone lies within
 * a forward one (Gibbons and Korach, Testing shared memories, 1997): n log n steps.
 *
 * That decides registers of GET, SET and SET IFEQ that was done. Absence is not unique, and a SET
 * IFEQ that was refused says only what was not there: for these, zones give what is surely wrong,
 * and the order of blocks that the search has to keep (search.c).
 *
 * Private to sim/check.
 */
#ifndef Q_SIM_CHECK_ZONES_H
#define Q_SIM_CHECK_ZONES_H

#include "sim/check/judge.h"

#define BLOCK_NONE SIZE_MAX

/* Of two blocks that are not done the one whose first_end is before the other's last_start comes
 * first. */
struct block {
    uint64_t first_end;
    uint64_t last_start;
    const struct deed *example; /* The operation that ended first. */
};

struct zones {
    /* Owned. */
    struct block *blocks;
    size_t *block_of; /* By deed: the block that it begins; BLOCK_NONE = it begins none. */
    size_t block_count;
};

enum zones_answer {
    ZONES_OK,    /* Linearizable. */
    ZONES_BAD,   /* Not linearizable. */
    ZONES_OPEN,  /* Blocks are fine, but there is more to look at. */
    ZONES_UNFIT, /* Not a register, or values are not unique: no blocks. */
};

/* Judges a key. The caller calls zones_deinit, whatever the answer; the verdict is written when the
 * answer is ZONES_BAD. */
enum zones_answer zones_init(struct zones *zones, const struct suit *suit, struct verdict *verdict);
void zones_deinit(struct zones *zones);

#endif
