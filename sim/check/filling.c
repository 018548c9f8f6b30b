/* Who fills the gaps in a growing key's contents: a subset sum with deadlines.
 *
 * Spare updates of one size differ only in their start, and deadlines never fall from gap to gap:
 * whoever may fill one gap may fill every later one. So how far a way of filling has come is known
 * by how many of each size it has used, and these counts after each gap are what must not be tried
 * twice. There are few: gaps are small, and most histories leave but a handful of updates unknown.
 */
#include "base/check.h"
#include "base/os/heap.h"
#include "base/prng.h"
#include "sim/check/judge.h"
#include "sim/check/seen.h"

#include <stdlib.h>

#define STEPS_MAX UINT64_C(20000000) /* About a second. */
#define SEED      20170318

/* Spare updates of one size: a range of the sorted array. */
struct size_class {
    int64_t size;
    size_t first;
    size_t count;
    size_t used;
    uint64_t mark[2]; /* Random; times `used` it is a part of the configuration's mark. */
};

/* An update put into a gap. */
struct pick {
    size_t class;
    size_t gap;
    int64_t left; /* Of the gap, before it. */
};

struct filler {
    const struct gap *gaps;
    size_t gap_count;
    const struct spare *spares;
    /* Owned. */
    struct size_class *classes; /* Largest size first. */
    struct pick *picks;
    struct seen seen;
    size_t class_count;
    size_t pick_count;
    size_t gap;   /* The one being filled, */
    int64_t left; /* what is left of it, */
    size_t next;  /* and the first class to be tried; sizes never rise within a gap. */
    size_t furthest;
};

/* Largest size first, then by start. */
static int by_size(const void *left, const void *right)
{
    const struct spare *a = left;
    const struct spare *b = right;
    if (a->size != b->size) {
        return a->size > b->size ? -1 : 1;
    }
    return a->started < b->started ? -1 : a->started > b->started;
}

/* How many of the class started before the deadline. */
static size_t available(const struct filler *f, const struct size_class *class, uint64_t deadline)
{
    size_t low = 0;
    size_t high = class->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (f->spares[class->first + middle].started < deadline) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void build_classes(struct filler *f, size_t spare_count)
{
    struct prng prng;
    prng_init(&prng, SEED);
    for (size_t i = 0; i < spare_count; i++) {
        if (i == 0 || f->spares[i].size != f->spares[i - 1].size) {
            f->classes[f->class_count++] =
                (struct size_class){.size = f->spares[i].size,
                                    .first = i,
                                    .mark = {prng_next(&prng), prng_next(&prng)}};
        }
        f->classes[f->class_count - 1].count++;
    }
}

/* True when the gaps up to each one are no larger than all that may fill them. */
static bool is_enough(const struct filler *f, size_t *out_gap)
{
    int64_t wanted = 0;
    for (size_t i = 0; i < f->gap_count; i++) {
        wanted += f->gaps[i].size;
        int64_t there = 0;
        for (size_t c = 0; c < f->class_count; c++) {
            const struct size_class *class = &f->classes[c];
            there += class->size * (int64_t)available(f, class, f->gaps[i].deadline);
        }
        if (wanted > there) {
            *out_gap = i;
            return false;
        }
    }
    return true;
}

/* Begins the gap `gap`. False when it was begun before with the same counts used. */
static bool begin(struct filler *f, size_t gap)
{
    f->gap = gap;
    f->next = 0;
    f->left = gap < f->gap_count ? f->gaps[gap].size : 0;
    f->furthest = gap > f->furthest ? gap : f->furthest;
    uint64_t mark[2] = {gap, gap};
    for (size_t c = 0; c < f->class_count; c++) {
        mark[0] += f->classes[c].mark[0] * f->classes[c].used;
        mark[1] += f->classes[c].mark[1] * f->classes[c].used;
    }
    return seen_add(&f->seen, mark[0], mark[1]);
}

/* Puts the next possible update into the gap. False when there is none. */
static bool pick(struct filler *f)
{
    for (size_t c = f->next; c < f->class_count; c++) {
        struct size_class *class = &f->classes[c];
        if (class->size <= f->left && class->used < available(f, class, f->gaps[f->gap].deadline)) {
            f->picks[f->pick_count++] = (struct pick){.class = c, .gap = f->gap, .left = f->left};
            class->used++;
            f->left -= class->size;
            f->next = c;
            return true;
        }
    }
    return false;
}

/* Takes the newest pick back, to try smaller updates in its place. False when there is none. */
static bool unpick(struct filler *f)
{
    if (f->pick_count == 0) {
        return false;
    }
    const struct pick last = f->picks[--f->pick_count];
    f->classes[last.class].used--;
    f->gap = last.gap;
    f->left = last.left;
    f->next = last.class + 1;
    return true;
}

static enum filling search(struct filler *f)
{
    bool alive = begin(f, 0);
    for (uint64_t steps = 0; steps < STEPS_MAX; steps++) {
        if (f->gap == f->gap_count) {
            return FILLING_FOUND;
        }
        if (alive && pick(f)) {
            if (f->left == 0) {
                alive = begin(f, f->gap + 1);
            }
        } else if (unpick(f)) {
            alive = true;
        } else {
            return FILLING_NONE;
        }
    }
    return FILLING_UNDECIDED;
}

enum filling filling_find(const struct gap *gaps,
                          size_t gap_count,
                          struct spare *spares,
                          size_t spare_count,
                          size_t *out_gap)
{
    struct filler f = {.gaps = gaps, .gap_count = gap_count, .spares = spares};
    qsort(spares, spare_count, sizeof *spares, by_size);
    f.classes = heap_alloc(spare_count * sizeof *f.classes);
    f.picks = heap_alloc(spare_count * sizeof *f.picks);
    for (size_t i = 0; i < gap_count; i++) {
        Q_CHECK(gaps[i].size > 0 && (i == 0 || gaps[i].deadline >= gaps[i - 1].deadline));
    }
    build_classes(&f, spare_count);
    enum filling answer = FILLING_NONE;
    if (is_enough(&f, out_gap)) {
        answer = search(&f);
        *out_gap = f.furthest;
    }
    heap_free(f.classes);
    heap_free(f.picks);
    seen_deinit(&f.seen);
    return answer;
}
