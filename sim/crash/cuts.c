#include "sim/crash/cuts.h"

#include "base/check.h"

#define CORNERS(pending) (2 + 2 * (uint64_t)(pending))

static const struct tape_op *op_of(const struct cuts *cuts, size_t place)
{
    return &cuts->cursor.tape->ops[cuts->cursor.pending[place]];
}

/* ---- what there is to choose from ---- */

/* Are both operations on names of one directory? */
static bool share_directory(const struct cuts *cuts, size_t a, size_t b)
{
    const struct tape_op *one = op_of(cuts, a);
    const struct tape_op *other = op_of(cuts, b);
    if (!tape_op_is_name(one) || !tape_op_is_name(other)) {
        return false;
    }
    char directory[TAPE_PATH_SIZE];
    memcpy(directory, one->path, sizeof directory);
    char *slash = strrchr(directory, '/');
    *(slash == NULL ? directory : slash) = '\0';
    return tape_is_in_directory(other->path, directory);
}

/* How many outstanding operations there are on names of the directory of `place`, when it is the
 * first of them; else 0. */
static size_t names_from(const struct cuts *cuts, size_t place)
{
    size_t count = 0;
    for (size_t i = 0; i < cuts->cursor.pending_count; i++) {
        if (share_directory(cuts, place, i)) {
            if (i < place) {
                return 0;
            }
            count++;
        }
    }
    return count;
}

/* Ways in which the operation at `place` can go that are not counted elsewhere. */
static uint64_t ways_of(const struct cuts *cuts, size_t place)
{
    return tape_op_is_data(op_of(cuts, place)) ? 2 : names_from(cuts, place) + 1;
}

static uint64_t sector_count(const struct tape_op *op)
{
    const uint64_t first = op->offset / TAPE_SECTOR_SIZE;
    const uint64_t last = (op->offset + op->size - 1) / TAPE_SECTOR_SIZE;
    return last - first + 1;
}

static void count_data(struct cuts *cuts)
{
    const struct tape_cursor *cursor = &cuts->cursor;
    cuts->newest = SIZE_MAX;
    cuts->has_sizes = false;
    for (size_t i = 0; i < cursor->pending_count; i++) {
        const struct tape_op *op = op_of(cuts, i);
        if (op->kind == TAPE_WRITE && op->size > 0) {
            cuts->newest = i;
            cuts->has_sizes |= op->offset + op->size > cursor->durable.inodes[op->inode].size;
        }
    }
}

static void count_combinations(struct cuts *cuts)
{
    const struct tape_cursor *cursor = &cuts->cursor;
    cuts->combinations = cuts->kills * (cuts->has_sizes ? 2 : 1);
    for (size_t i = 0; i < cursor->pending_count; i++) {
        if (cuts->combinations <= CUTS_COMBINATIONS_MAX) {
            cuts->combinations *= ways_of(cuts, i);
        }
    }
    if (cuts->combinations > CUTS_COMBINATIONS_MAX) {
        cuts->combinations = CUTS_COMBINATIONS_MAX + 1;
        cuts->subsets = CORNERS(cursor->pending_count) + CUTS_RANDOM;
    } else {
        cuts->subsets = cuts->combinations;
    }
}

/* Of each tear and each set of sectors there are two: all else kept, all other data lost. */
static void count_tears(struct cuts *cuts)
{
    cuts->tears = 0;
    cuts->sector_sets = 0;
    if (cuts->newest == SIZE_MAX) {
        return;
    }
    const struct tape_op *op = op_of(cuts, cuts->newest);
    const uint64_t sectors = sector_count(op);
    cuts->tears = 2 * (op->size <= TAPE_SECTOR_SIZE ? op->size - 1 : sectors - 1 + CUTS_TEARS);
    if (sectors > 1) {
        cuts->sector_sets =
            2 * (sectors <= CUTS_SECTORS_MAX ? UINT64_C(1) << sectors : CUTS_SECTOR_SETS);
    }
}

static void count(struct cuts *cuts)
{
    cuts->next = 0;
    cuts->is_counted = true;
    count_data(cuts);
    cuts->kills = cuts->cursor.version - cuts->cursor.flushed + 1;
    if (cuts->is_sample) {
        cuts->kills = 1;
        cuts->subsets = 2 + CUTS_SAMPLE;
        cuts->tears = 0;
        cuts->sector_sets = 0;
        return;
    }
    count_combinations(cuts);
    count_tears(cuts);
}

/* ---- one cut by its number ---- */

static void set_all(const struct cuts *cuts, struct tape_cut *cut, enum tape_fate fate)
{
    memset(cut->fates, (int)fate, cuts->cursor.pending_count);
    cut->version = fate == FATE_KEPT ? cuts->cursor.version : cuts->cursor.flushed;
}

/* Of the operations on the names of one directory that begin at `place`, keeps the first `kept`. */
static void set_names(const struct cuts *cuts, struct tape_cut *cut, size_t place, uint64_t kept)
{
    for (size_t i = place; i < cuts->cursor.pending_count; i++) {
        if (share_directory(cuts, place, i)) {
            cut->fates[i] = kept > 0 ? FATE_KEPT : FATE_LOST;
            kept -= kept > 0;
        }
    }
}

/* The digits of `number` in a mixed radix are the choices. */
static void set_combination(const struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    for (size_t i = 0; i < cuts->cursor.pending_count; i++) {
        const uint64_t ways = ways_of(cuts, i);
        if (tape_op_is_data(op_of(cuts, i))) {
            cut->fates[i] = number % ways == 0 ? FATE_LOST : FATE_KEPT;
        } else if (ways > 1) {
            set_names(cuts, cut, i, number % ways);
        }
        number /= ways;
    }
    cut->version = cuts->cursor.flushed + (size_t)(number % cuts->kills);
    number /= cuts->kills;
    Q_CHECK(number < 2);
    cut->is_sized = number == 1;
}

/* Makes names a prefix in each directory again, after fates were set one by one. */
static void straighten_names(const struct cuts *cuts, struct tape_cut *cut)
{
    for (size_t i = 0; i < cuts->cursor.pending_count; i++) {
        if (tape_op_is_data(op_of(cuts, i)) || names_from(cuts, i) == 0) {
            continue;
        }
        uint64_t kept = 0;
        bool goes_on = true;
        for (size_t k = i; k < cuts->cursor.pending_count && goes_on; k++) {
            const bool is_one = share_directory(cuts, i, k);
            goes_on = !is_one || cut->fates[k] == FATE_KEPT;
            kept += is_one && goes_on;
        }
        set_names(cuts, cut, i, kept);
    }
}

static void set_corner(const struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    set_all(cuts, cut, number % 2 == 0 ? FATE_KEPT : FATE_LOST);
    if (number >= 2) {
        const size_t odd_one = (size_t)(number / 2 - 1);
        cut->fates[odd_one] = number % 2 == 0 ? FATE_LOST : FATE_KEPT;
        straighten_names(cuts, cut);
    }
}

static void set_random(struct cuts *cuts, struct tape_cut *cut)
{
    struct prng *prng = &cuts->prng;
    const uint64_t keep_of_8 = prng_below(prng, 9); /* Many kept and many lost are both common. */
    for (size_t i = 0; i < cuts->cursor.pending_count; i++) {
        const size_t names = tape_op_is_data(op_of(cuts, i)) ? 0 : names_from(cuts, i);
        if (tape_op_is_data(op_of(cuts, i))) {
            cut->fates[i] = prng_below(prng, 8) < keep_of_8 ? FATE_KEPT : FATE_LOST;
        } else if (names > 0) {
            set_names(cuts, cut, i, prng_below(prng, names + 1));
        }
    }
    cut->version = cuts->cursor.flushed +
                   (size_t)prng_below(prng, cuts->cursor.version - cuts->cursor.flushed + 1);
    cut->is_sized = prng_chance(prng, 1, 4);
    if (cuts->newest != SIZE_MAX && prng_chance(prng, 1, 3)) {
        const bool by_sectors = prng_chance(prng, 1, 2);
        cut->fates[cuts->newest] = by_sectors ? FATE_SECTORS : FATE_TORN;
        cut->tear_size = (size_t)prng_below(prng, op_of(cuts, cuts->newest)->size);
        cut->sectors = prng_next(prng);
    }
}

/* Names are kept: a torn write that nobody can find is a lost one. */
static void set_others(const struct cuts *cuts, bool are_kept, struct tape_cut *cut)
{
    set_all(cuts, cut, are_kept ? FATE_KEPT : FATE_LOST);
    for (size_t i = 0; i < cuts->cursor.pending_count; i++) {
        if (!tape_op_is_data(op_of(cuts, i))) {
            cut->fates[i] = FATE_KEPT;
        }
    }
}

static void set_tear(struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    set_others(cuts, number % 2 == 0, cut);
    const struct tape_op *op = op_of(cuts, cuts->newest);
    cut->fates[cuts->newest] = FATE_TORN;
    const uint64_t at = number / 2;
    const uint64_t boundaries = sector_count(op) - 1;
    if (op->size <= TAPE_SECTOR_SIZE) {
        cut->tear_size = (size_t)at + 1;
    } else if (at < boundaries) {
        const uint64_t first = TAPE_SECTOR_SIZE - op->offset % TAPE_SECTOR_SIZE;
        cut->tear_size = (size_t)(first + at * TAPE_SECTOR_SIZE);
    } else {
        cut->tear_size = (size_t)prng_between(&cuts->prng, 1, op->size - 1);
    }
}

static void set_sectors(struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    set_others(cuts, number % 2 == 0, cut);
    cut->fates[cuts->newest] = FATE_SECTORS;
    const bool is_drawn = sector_count(op_of(cuts, cuts->newest)) > CUTS_SECTORS_MAX;
    cut->sectors = is_drawn ? prng_next(&cuts->prng) : number / 2;
}

static void set_sampled(struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    if (number < 2) {
        set_corner(cuts, number, cut);
    } else {
        set_random(cuts, cut);
    }
}

static void set_subset(struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    const uint64_t corners = CORNERS(cuts->cursor.pending_count);
    if (cuts->is_sample) {
        set_sampled(cuts, number, cut);
    } else if (cuts->combinations <= CUTS_COMBINATIONS_MAX) {
        set_combination(cuts, number, cut);
    } else if (number < corners) {
        set_corner(cuts, number, cut);
    } else {
        set_random(cuts, cut);
    }
}

static void set_kill(struct cuts *cuts, uint64_t number, struct tape_cut *cut)
{
    const uint64_t versions = cuts->cursor.version - cuts->cursor.flushed + 1;
    cut->is_kill = true;
    cut->version = cuts->cursor.flushed +
                   (size_t)(cuts->is_sample ? prng_below(&cuts->prng, versions) : number);
}

/* ---- public ---- */

void cuts_init(struct cuts *cuts, const struct tape *tape, size_t first, size_t end, uint64_t seed)
{
    Q_CHECK(first <= end && end <= tape->op_count);
    *cuts = (struct cuts){.end = end};
    prng_init(&cuts->prng, seed);
    tape_cursor_init(&cuts->cursor, tape);
    while (cuts->cursor.at < first) {
        tape_cursor_advance(&cuts->cursor);
    }
}

void cuts_sample(struct cuts *cuts)
{
    cuts->is_sample = true;
}

void cuts_deinit(struct cuts *cuts)
{
    tape_cursor_deinit(&cuts->cursor);
}

bool cuts_next(struct cuts *cuts, struct tape_cut *out_cut)
{
    if (!cuts->is_counted) {
        count(cuts);
    }
    uint64_t number = cuts->next++;
    if (number >= cuts->kills + cuts->subsets + cuts->tears + cuts->sector_sets) {
        if (cuts->cursor.at == cuts->end) {
            return false;
        }
        tape_cursor_advance(&cuts->cursor);
        count(cuts);
        number = cuts->next++;
    }
    *out_cut = (struct tape_cut){.is_kill = false};
    if (number < cuts->kills) {
        set_kill(cuts, number, out_cut);
        return true;
    }
    number -= cuts->kills;
    if (number < cuts->subsets) {
        set_subset(cuts, number, out_cut);
        return true;
    }
    number -= cuts->subsets;
    if (number < cuts->tears) {
        set_tear(cuts, number, out_cut);
        return true;
    }
    set_sectors(cuts, number - cuts->tears, out_cut);
    return true;
}
