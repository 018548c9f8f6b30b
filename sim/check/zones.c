#include "sim/check/zones.h"

#include "base/check.h"
#include "base/os/heap.h"
#include "sim/check/values.h"

#include <stdlib.h>

#define TEXT_SIZE 400

/* One value of the register. */
struct reign {
    const struct deed *writer; /* NULL = nobody wrote it. */
    uint32_t from;             /* Of a CAS: the value replaced; else VALUE_ABSENT. */
    uint32_t next;             /* The value whose CAS replaced it; VALUE_ABSENT = none. */
    bool is_needed;            /* It surely was the key's value at some time. */
    uint64_t first_end;        /* Of those that read it. */
    uint64_t last_start;
    const struct deed *first_reader; /* The one that ended first. */
};

struct builder {
    const struct suit *suit;
    struct zones *zones;
    struct verdict *verdict;
    struct values values;
    struct reign *reigns; /* Owned; by value. */
    uint32_t *needed;     /* Owned: values to be looked at. */
    size_t needed_count;
    size_t *forward; /* Owned: blocks with a forward zone, in order. */
    size_t forward_count;
    bool has_refused;        /* A SET IFEQ was refused whose value was there at some time. */
    bool has_delete;         /* A DEL has, or */
    bool may_have_delete;    /* may have removed something. */
    const struct deed *gone; /* The last to start of those that found no key. */
};

static bool is_done(const struct deed *deed)
{
    return deed_is_unsure(deed) || bytes_equal(deed->of->result, bytes_of_text("1"));
}

static bool is_sure_read(const struct deed *deed)
{
    return kind_is_read(deed->of->kind) && deed_is_ok(deed);
}

static bool finds_nothing(const struct deed *deed)
{
    if (!deed_is_ok(deed)) {
        return false;
    }
    return (kind_is_read(deed->of->kind) && deed->of->absent) ||
           (deed->of->kind == HISTORY_DELETE && !is_done(deed));
}

static enum zones_answer bad(struct builder *b, const char *what, const struct deed *deed)
{
    char text[TEXT_SIZE];
    *b->verdict =
        verdict_bad("key %.*s: not linearizable: %s: %s", (int)b->suit->key.size,
                    (const char *)b->suit->key.data, what, deed_text(deed, text, sizeof text));
    return ZONES_BAD;
}

static enum zones_answer bad_two(struct builder *b,
                                 const char *what,
                                 const struct deed *one,
                                 const struct deed *two)
{
    char text[TEXT_SIZE];
    char other[TEXT_SIZE];
    *b->verdict =
        verdict_bad("key %.*s: not linearizable: %s: %s and %s", (int)b->suit->key.size,
                    (const char *)b->suit->key.data, what, deed_text(one, text, sizeof text),
                    deed_text(two, other, sizeof other));
    return ZONES_BAD;
}

/* ---- values ---- */

static void need(struct builder *b, uint32_t value)
{
    if (!b->reigns[value].is_needed) {
        b->reigns[value].is_needed = true;
        b->needed[b->needed_count++] = value;
    }
}

/* Numbers all values and notes who writes each. False when this is no register of unique values. */
static bool find_writers(struct builder *b)
{
    for (size_t i = 0; i < b->suit->count; i++) {
        const struct deed *deed = &b->suit->deeds[i];
        const struct operation *o = deed->of;
        const bool writes = o->kind == HISTORY_WRITE || (o->kind == HISTORY_CAS && is_done(deed));
        if (o->kind != HISTORY_READ && o->kind != HISTORY_WRITE && o->kind != HISTORY_CAS &&
            o->kind != HISTORY_DELETE) {
            return false;
        }
        if (!writes || o->outcome == HISTORY_FAILED) {
            continue;
        }
        struct reign *reign = &b->reigns[values_number(&b->values, o->argument)];
        if (reign->writer != NULL) {
            return false;
        }
        reign->writer = deed;
        if (o->kind == HISTORY_CAS) {
            reign->from = values_number(&b->values, o->expected);
        }
    }
    return true;
}

/* A read of `value`, or the CAS that replaced it. */
static void note_reader(struct builder *b, uint32_t value, const struct deed *deed)
{
    struct reign *reign = &b->reigns[value];
    if (deed->ended < reign->first_end) {
        reign->first_end = deed->ended;
        reign->first_reader = deed;
    }
    if (deed->started > reign->last_start) {
        reign->last_start = deed->started;
    }
}

static void look_at_absence(struct builder *b, const struct deed *deed)
{
    const struct operation *o = deed->of;
    if (o->kind == HISTORY_DELETE && o->outcome != HISTORY_FAILED && is_done(deed)) {
        b->may_have_delete = true;
        b->has_delete = b->has_delete || deed_is_ok(deed);
    }
    if (finds_nothing(deed)) {
        b->gone = deed; /* Deeds are in order of start. */
    }
}

/* Notes what each sure operation needs. */
static void find_needs(struct builder *b)
{
    for (size_t i = 0; i < b->suit->count; i++) {
        const struct deed *deed = &b->suit->deeds[i];
        const struct operation *o = deed->of;
        look_at_absence(b, deed);
        if (is_sure_read(deed) && !o->absent) {
            const uint32_t value = values_number(&b->values, o->result);
            need(b, value);
            note_reader(b, value, deed);
        }
        if (deed_is_ok(deed) &&
            (o->kind == HISTORY_WRITE || (o->kind == HISTORY_CAS && is_done(deed)))) {
            need(b, values_number(&b->values, o->argument));
        }
    }
}

/* An example of an operation that shows that `value` was there. */
static const struct deed *witness(const struct builder *b, uint32_t value)
{
    const struct reign *reign = &b->reigns[value];
    if (reign->first_reader != NULL) {
        return reign->first_reader;
    }
    return reign->next == VALUE_ABSENT ? reign->writer : b->reigns[reign->next].writer;
}

/* What is needed needs a writer; when that is a CAS it needs the value replaced, which nobody else
 * replaced. */
static enum zones_answer follow_needs(struct builder *b)
{
    for (size_t i = 0; i < b->needed_count; i++) {
        const uint32_t value = b->needed[i];
        const struct reign *reign = &b->reigns[value];
        if (reign->writer == NULL) {
            return bad(b, "nobody can have written what it found", witness(b, value));
        }
        if (reign->writer->of->kind != HISTORY_CAS) {
            continue;
        }
        struct reign *before = &b->reigns[reign->from];
        if (before->next != VALUE_ABSENT) {
            return bad_two(b, "both replaced the same value", reign->writer,
                           b->reigns[before->next].writer);
        }
        before->next = value;
        need(b, reign->from);
        note_reader(b, reign->from, reign->writer);
    }
    return ZONES_OPEN;
}

/* ---- blocks ---- */

static void widen(struct block *block, uint64_t first_end, const struct deed *deed)
{
    if (first_end < block->first_end) {
        block->first_end = first_end;
        block->example = deed;
    }
}

/* Makes one block of the value that a SET wrote and of those that replaced it one after another.
 * Nobody may have ended before somebody started that comes earlier in the chain. */
static enum zones_answer add_chain(struct builder *b, uint32_t root, size_t *out_links)
{
    struct block block = {.first_end = STAMP_NEVER, .example = b->reigns[root].writer};
    const struct deed *last = b->reigns[root].writer; /* The last to start so far. */
    for (uint32_t value = root; value != VALUE_ABSENT; value = b->reigns[value].next) {
        const struct reign *reign = &b->reigns[value];
        if (reign->writer->ended < block.last_start) {
            return bad_two(b, "the first wrote over a value before the second saw it",
                           reign->writer, last);
        }
        widen(&block, reign->writer->ended, reign->writer);
        if (reign->writer->started > block.last_start) {
            block.last_start = reign->writer->started;
            last = reign->writer;
        }
        if (reign->first_end < block.last_start) {
            return bad_two(b, "the first saw what the second began to write only later",
                           reign->first_reader, last);
        }
        if (reign->first_reader != NULL) {
            widen(&block, reign->first_end, reign->first_reader);
        }
        block.last_start =
            reign->last_start > block.last_start ? reign->last_start : block.last_start;
        (*out_links)++;
    }
    b->zones->block_of[b->reigns[root].writer - b->suit->deeds] = b->zones->block_count;
    b->zones->blocks[b->zones->block_count++] = block;
    return ZONES_OPEN;
}

static enum zones_answer build_blocks(struct builder *b)
{
    size_t links = 0;
    for (size_t i = 0; i < b->suit->count; i++) {
        const struct deed *deed = &b->suit->deeds[i];
        struct zones *zones = b->zones;
        if (deed->of->kind == HISTORY_DELETE && deed_is_ok(deed) && is_done(deed)) {
            zones->block_of[i] = zones->block_count;
            zones->blocks[zones->block_count++] = (struct block){
                .first_end = deed->ended, .last_start = deed->started, .example = deed};
        }
        if (deed->of->kind != HISTORY_WRITE || deed->of->outcome == HISTORY_FAILED) {
            continue;
        }
        const uint32_t value = values_number(&b->values, deed->of->argument);
        if (b->reigns[value].is_needed) {
            const enum zones_answer answer = add_chain(b, value, &links);
            if (answer == ZONES_BAD) {
                return answer;
            }
        }
    }
    for (size_t i = 0; i < b->needed_count && links < b->needed_count; i++) {
        const struct deed *writer = b->reigns[b->needed[i]].writer;
        if (writer->of->kind == HISTORY_CAS) {
            return bad(b, "values replaced each other in a circle", writer);
        }
    }
    return ZONES_OPEN;
}

/* ---- zones ---- */

struct zone_order {
    uint64_t first_end;
    size_t block;
};

static int by_first_end(const void *left, const void *right)
{
    const struct zone_order *a = left;
    const struct zone_order *b = right;
    return a->first_end < b->first_end ? -1 : a->first_end > b->first_end;
}

static enum zones_answer sort_forward(struct builder *b)
{
    const struct zones *zones = b->zones;
    struct zone_order *order = heap_alloc(zones->block_count * sizeof *order);
    for (size_t i = 0; i < zones->block_count; i++) {
        const struct block *block = &zones->blocks[i];
        if (block->first_end < block->last_start) {
            order[b->forward_count++] =
                (struct zone_order){.first_end = block->first_end, .block = i};
        }
    }
    qsort(order, b->forward_count, sizeof *order, by_first_end);
    enum zones_answer answer = ZONES_OPEN;
    for (size_t i = 0; i < b->forward_count; i++) {
        b->forward[i] = order[i].block;
        const struct block *block = &zones->blocks[order[i].block];
        const struct block *before = i == 0 ? NULL : &zones->blocks[order[i - 1].block];
        if (answer != ZONES_BAD && before != NULL && block->first_end < before->last_start) {
            answer = bad_two(b, "two values are seen alternately, among others by", before->example,
                             block->example);
        }
    }
    heap_free(order);
    return answer;
}

/* The block whose values surely reign at some moment before `from` and still at some after `to`;
 * NULL when there is none. */
static const struct block *block_around(const struct builder *b, uint64_t from, uint64_t to)
{
    size_t low = 0;
    size_t high = b->forward_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (b->zones->blocks[b->forward[middle]].first_end < from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct block *before = low == 0 ? NULL : &b->zones->blocks[b->forward[low - 1]];
    return before != NULL && to < before->last_start ? before : NULL;
}

static enum zones_answer check_backward(struct builder *b)
{
    for (size_t i = 0; i < b->zones->block_count; i++) {
        const struct block *block = &b->zones->blocks[i];
        if (block->first_end < block->last_start) {
            continue;
        }
        const struct block *around = block_around(b, block->last_start, block->first_end);
        if (around != NULL) {
            return bad_two(b, "the second falls between two operations that saw one value",
                           around->example, block->example);
        }
    }
    return ZONES_OPEN;
}

/* Who found no key must fit in somewhere, and who found another value than the one it named. */
static enum zones_answer check_others(struct builder *b)
{
    for (size_t i = 0; i < b->suit->count; i++) {
        const struct deed *deed = &b->suit->deeds[i];
        const struct block *around =
            finds_nothing(deed) ? block_around(b, deed->started, deed->ended) : NULL;
        if (around != NULL) {
            return bad_two(b, "the second falls between two operations that saw one value",
                           around->example, deed);
        }
        if (deed->of->kind != HISTORY_CAS || !deed_is_ok(deed) || is_done(deed)) {
            continue;
        }
        const struct reign *reign = &b->reigns[values_number(&b->values, deed->of->expected)];
        if (!reign->is_needed) {
            continue; /* It may never have been there. */
        }
        b->has_refused = true;
        const uint64_t end =
            reign->writer->ended < reign->first_end ? reign->writer->ended : reign->first_end;
        if (end < deed->started && deed->ended < reign->last_start) {
            return bad(b, "it was refused between two operations that saw the value it names",
                       deed);
        }
    }
    for (size_t i = 0; b->gone != NULL && !b->may_have_delete && i < b->zones->block_count; i++) {
        const struct block *block = &b->zones->blocks[i];
        if (block->first_end < b->gone->started) {
            return bad_two(b, "the second found no key though nothing removes it", block->example,
                           b->gone);
        }
    }
    return ZONES_OPEN;
}

/* True when nothing was asked that blocks do not answer. An unknown DEL can be left out unless
 * somebody found no key later. */
static bool is_decided(const struct builder *b)
{
    return !b->has_refused && !b->has_delete && (b->gone == NULL || !b->may_have_delete);
}

static enum zones_answer judge(struct builder *b)
{
    if (!find_writers(b)) {
        return ZONES_UNFIT;
    }
    find_needs(b);
    enum zones_answer (*const steps[])(struct builder *) = {
        follow_needs, build_blocks, sort_forward, check_backward, check_others};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i](b) == ZONES_BAD) {
            return ZONES_BAD;
        }
    }
    return is_decided(b) ? ZONES_OK : ZONES_OPEN;
}

enum zones_answer zones_init(struct zones *zones, const struct suit *suit, struct verdict *verdict)
{
    *zones = (struct zones){0};
    zones->blocks = heap_alloc(suit->count * sizeof *zones->blocks);
    zones->block_of = heap_alloc(suit->count * sizeof *zones->block_of);
    for (size_t i = 0; i < suit->count; i++) {
        zones->block_of[i] = BLOCK_NONE;
    }
    struct builder b = {.suit = suit, .zones = zones, .verdict = verdict};
    values_init(&b.values);
    /* An operation names at most two values. */
    b.reigns = heap_alloc((2 * suit->count + 1) * sizeof *b.reigns);
    for (size_t i = 0; i < 2 * suit->count + 1; i++) {
        b.reigns[i].first_end = STAMP_NEVER;
    }
    b.needed = heap_alloc((2 * suit->count + 1) * sizeof *b.needed);
    b.forward = heap_alloc(suit->count * sizeof *b.forward);
    const enum zones_answer answer = judge(&b);
    values_deinit(&b.values);
    heap_free(b.reigns);
    heap_free(b.needed);
    heap_free(b.forward);
    Q_CHECK((answer == ZONES_BAD) == !verdict->ok);
    return answer;
}

void zones_deinit(struct zones *zones)
{
    heap_free(zones->blocks);
    heap_free(zones->block_of);
    *zones = (struct zones){0};
}
