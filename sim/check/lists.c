/* The cheap judges: what a closing read must hold, and what nobody may ever see. They catch a lost
 * or doubled element for certain, where a search over registers finds only what happens to be read
 * again before it is overwritten. */
#include "base/os/heap.h"
#include "sim/check/history.h"
#include "sim/check/judge.h"

#include <stdlib.h>

#define TEXT_SIZE 400

static struct verdict bad(const struct suit *suit, const char *what, const struct deed *deed)
{
    char text[TEXT_SIZE] = "";
    return verdict_bad("key %.*s: %s%s%s", (int)suit->key.size, (const char *)suit->key.data, what,
                       deed == NULL ? "" : ": ",
                       deed == NULL ? "" : deed_text(deed, text, sizeof text));
}

/* NULL when there is none. */
static const struct deed *closing_read(const struct suit *suit)
{
    uint64_t quiet = 0;
    const struct deed *closing = NULL;
    for (size_t i = 0; i < suit->count; i++) {
        const struct deed *deed = &suit->deeds[i];
        if (kind_is_read(deed->of->kind)) {
            continue;
        }
        const uint64_t end = deed->given_up == STAMP_NEVER ? deed->started : deed->given_up;
        quiet = end > quiet ? end : quiet;
    }
    for (size_t i = 0; i < suit->count; i++) {
        const struct deed *deed = &suit->deeds[i];
        if (kind_is_read(deed->of->kind) && deed_is_ok(deed) && deed->started > quiet) {
            closing = deed; /* Deeds are in order of start: the last one wins. */
        }
    }
    return closing;
}

/* `pieces` holds what the closing read saw; the acknowledged updates must all be among it. */
static struct verdict check_closing(const struct suit *suit,
                                    const struct deed *closing,
                                    const struct piece *pieces,
                                    size_t piece_count)
{
    bool *placed = heap_alloc(suit->count * sizeof *placed);
    const enum growing_kind kind = growing_kind_of(suit);
    struct verdict verdict = verdict_ok();
    for (size_t i = 0; verdict.ok && i < piece_count; i++) {
        int64_t result = 0;
        const struct deed *deed = pieces[i].deed;
        placed[deed - suit->deeds] = true;
        if (deed_is_ok(deed) &&
            (!bytes_to_int64(deed->of->result, &result) || result != pieces[i].to)) {
            verdict = bad(suit, "its result is not its place in the closing read", deed);
        }
    }
    for (size_t i = 0; verdict.ok && i < suit->count; i++) {
        const struct deed *deed = &suit->deeds[i];
        if (!deed_is_ok(deed)) {
            continue;
        }
        if (!kind_is_read(deed->of->kind)) {
            if (!placed[i]) {
                verdict = bad(suit, "acknowledged, but lost from the closing read", deed);
            }
        } else if (!growing_is_prefix(kind, deed->of->result, closing->of->result) &&
                   !growing_is_prefix(kind, closing->of->result, deed->of->result)) {
            verdict = bad(suit, "its order is not that of the closing read", deed);
        }
    }
    heap_free(placed);
    return verdict;
}

static struct verdict check_suit(const struct suit *suit)
{
    const enum growing_kind kind = growing_kind_of(suit);
    if (kind != GROWING_APPEND && kind != GROWING_LIST) {
        return verdict_ok();
    }
    const struct deed *closing = closing_read(suit);
    if (closing == NULL) {
        return bad(suit, "no closing read", NULL);
    }
    struct piece *pieces = heap_alloc(suit->count * sizeof *pieces);
    size_t count = 0;
    struct verdict verdict = verdict_ok();
    if (growing_split(suit, kind, closing, pieces, &count, &verdict) == SPLIT_OK) {
        verdict = check_closing(suit, closing, pieces, count);
    }
    heap_free(pieces);
    return verdict;
}

struct verdict history_check_lists(const struct history *history)
{
    struct docket docket;
    docket_init(&docket, history);
    struct verdict verdict = verdict_ok();
    struct suit suit;
    size_t at = 0;
    while (verdict.ok && docket_next(&docket, &at, &suit)) {
        verdict = check_suit(&suit);
    }
    docket_deinit(&docket);
    return verdict;
}

/* A value some SET or SET IFEQ tried to write. */
struct attempt {
    struct bytes value;
    bool failed;
};

/* Equal values: those that did not fail come first, so that a search for the value finds them. */
static int by_value(const void *left, const void *right)
{
    const struct attempt *a = left;
    const struct attempt *b = right;
    const int order = bytes_compare(a->value, b->value);
    return order != 0 ? order : (int)a->failed - (int)b->failed;
}

/* True when only FAILED operations of the key tried to write `value`. */
static bool only_failed_wrote(const struct attempt *attempts, size_t count, struct bytes value)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (bytes_compare(attempts[middle].value, value) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && bytes_equal(attempts[low].value, value) && attempts[low].failed;
}

static struct verdict check_register_failures(const struct suit *suit)
{
    struct attempt *attempts = heap_alloc(suit->count * sizeof *attempts);
    size_t count = 0;
    struct verdict verdict = verdict_ok();
    for (size_t i = 0; i < suit->count; i++) {
        const struct operation *o = suit->deeds[i].of;
        if (o->kind == HISTORY_WRITE || o->kind == HISTORY_CAS) {
            attempts[count++] =
                (struct attempt){.value = o->argument, .failed = o->outcome == HISTORY_FAILED};
        }
    }
    qsort(attempts, count, sizeof *attempts, by_value);
    for (size_t i = 0; verdict.ok && i < suit->count; i++) {
        const struct deed *deed = &suit->deeds[i];
        const struct operation *o = deed->of;
        const bool reads = o->kind == HISTORY_READ && !o->absent;
        const bool swaps = o->kind == HISTORY_CAS && bytes_equal(o->result, bytes_of_text("1"));
        if (deed_is_ok(deed) && (reads || swaps) &&
            only_failed_wrote(attempts, count, reads ? o->result : o->expected)) {
            verdict = bad(suit, "saw the effect of an operation that FAILED", deed);
        }
    }
    heap_free(attempts);
    return verdict;
}

/* The successful read with the longest contents. NULL without one. */
static const struct deed *longest_read(const struct suit *suit)
{
    const struct deed *longest = NULL;
    for (size_t i = 0; i < suit->count; i++) {
        const struct deed *deed = &suit->deeds[i];
        if (kind_is_read(deed->of->kind) && deed_is_ok(deed) &&
            (longest == NULL || deed->of->result.size > longest->of->result.size)) {
            longest = deed;
        }
    }
    return longest;
}

static struct verdict check_growing_failures(const struct suit *suit, enum growing_kind kind)
{
    struct piece *pieces = heap_alloc(suit->count * sizeof *pieces);
    const struct deed *longest = longest_read(suit);
    struct verdict verdict = verdict_ok();
    for (size_t i = 0; verdict.ok && i < suit->count; i++) {
        const struct deed *deed = &suit->deeds[i];
        size_t count = 0;
        if (!kind_is_read(deed->of->kind) || !deed_is_ok(deed) ||
            (deed != longest && growing_is_prefix(kind, deed->of->result, longest->of->result))) {
            continue; /* What such a read saw, the longest one saw too. */
        }
        if (growing_split(suit, kind, deed, pieces, &count, &verdict) != SPLIT_FAILED) {
            verdict = verdict_ok(); /* Anything else that is wrong is for the other judges. */
        }
    }
    heap_free(pieces);
    return verdict;
}

struct verdict history_check_failures(const struct history *history)
{
    struct docket docket;
    docket_init(&docket, history);
    struct verdict verdict = verdict_ok();
    struct suit suit;
    size_t at = 0;
    while (verdict.ok && docket_next(&docket, &at, &suit)) {
        const enum growing_kind kind = growing_kind_of(&suit);
        if (kind == GROWING_APPEND || kind == GROWING_LIST) {
            verdict = check_growing_failures(&suit, kind);
        } else if (kind == GROWING_NONE) {
            verdict = check_register_failures(&suit);
        }
    }
    docket_deinit(&docket);
    return verdict;
}

struct verdict history_check_all(const struct history *history)
{
    struct verdict verdict = history_check_failures(history);
    if (verdict.ok) {
        verdict = history_check_lists(history);
    }
    if (verdict.ok) {
        verdict = history_check_linearizable(history, 0);
    }
    return verdict;
}
