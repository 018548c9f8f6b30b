/* Judges keys whose contents only grow: appends, lists and counters with positive steps.
 *
 * Why not search: an UNKNOWN operation stays concurrent with everything after it, so a search over
 * orders explodes when a key has hundreds of them. Here the contents name the order instead. Every
 * acknowledged update says where it ended (its result), every read how far it saw, and the longest
 * read names the place of each UNKNOWN update it holds. So each of these deeds has a rung: an
 * update ending at p stands on (p, update), a read of extent p on (p, read), update below read. A
 * linearization must climb the ladder, and deeds on one rung (reads only) may stand in any order.
 * Hence it exists if and only if no deed ended before another one started that stands on a lower
 * rung: a cycle between rung order and real time would need such a pair.
 *
 * Places that nobody known fills (behind the longest read; anywhere in a counter) must be filled by
 * unseen UNKNOWN updates, each of which must have started before the first end among the deeds on
 * higher rungs. The places between two neighbours on the ladder form a gap with one such deadline;
 * filling.c finds out who can fill which.
 */
#include "base/check.h"
#include "base/os/heap.h"
#include "sim/check/judge.h"

#include <stdlib.h>

/* Room for two deeds in a verdict's reason. */
#define TEXT_SIZE 400

struct token {
    struct bytes text;
    size_t deed; /* Index in the suit. */
    bool placed;
};

static bool is_update(const struct deed *deed)
{
    return !kind_is_read(deed->of->kind);
}

/* How much an update adds, in units; 0 when it cannot be told. */
static int64_t size_of(enum growing_kind kind, const struct deed *deed)
{
    int64_t size = 0;
    switch (kind) {
    case GROWING_APPEND: return (int64_t)deed->of->argument.size;
    case GROWING_LIST: return deed->of->argument.size > 0 ? 1 : 0;
    case GROWING_COUNTER: return bytes_to_int64(deed->of->argument, &size) && size > 0 ? size : 0;
    case GROWING_NONE: return 0;
    }
    return 0;
}

enum growing_kind growing_kind_of(const struct suit *suit)
{
    bool has[HISTORY_KINDS] = {false};
    for (size_t i = 0; i < suit->count; i++) {
        has[suit->deeds[i].of->kind] = true;
    }
    if (has[HISTORY_WRITE] || has[HISTORY_CAS] || has[HISTORY_DELETE]) {
        return GROWING_NONE;
    }
    enum growing_kind kind = GROWING_NONE;
    if (has[HISTORY_APPEND]) {
        kind = GROWING_APPEND;
    } else if (has[HISTORY_PUSH] || has[HISTORY_RANGE]) {
        kind = GROWING_LIST;
    } else if (has[HISTORY_INCR]) {
        kind = GROWING_COUNTER;
    }
    const bool foreign[] = {[GROWING_NONE] = true,
                            [GROWING_APPEND] =
                                has[HISTORY_PUSH] || has[HISTORY_RANGE] || has[HISTORY_INCR],
                            [GROWING_LIST] = has[HISTORY_READ] || has[HISTORY_INCR],
                            [GROWING_COUNTER] = false};
    if (foreign[kind]) {
        return GROWING_NONE;
    }
    for (size_t i = 0; i < suit->count; i++) {
        if (is_update(&suit->deeds[i]) && size_of(kind, &suit->deeds[i]) == 0) {
            return GROWING_NONE;
        }
    }
    return kind;
}

bool growing_extent(enum growing_kind kind, const struct deed *read, int64_t *out_extent)
{
    const struct bytes result = read->of->result;
    if (read->of->absent || (kind == GROWING_LIST && result.size == 0)) {
        *out_extent = 0;
        return true;
    }
    if (result.size == 0) {
        return false; /* A key that is there has had an update, and none is empty. */
    }
    if (kind == GROWING_COUNTER) {
        return bytes_to_int64(result, out_extent) && *out_extent >= 0;
    }
    int64_t extent = (int64_t)result.size;
    if (kind == GROWING_LIST) {
        extent = 1;
        for (size_t i = 0; i < result.size; i++) {
            extent += result.data[i] == ',';
        }
    }
    *out_extent = extent;
    return true;
}

bool growing_is_prefix(enum growing_kind kind, struct bytes a, struct bytes b)
{
    if (a.size > b.size || !bytes_equal(a, bytes_of(b.data, a.size))) {
        return false;
    }
    return kind != GROWING_LIST || a.size == 0 || a.size == b.size || b.data[a.size] == ',';
}

static int by_text(const void *left, const void *right)
{
    const struct token *a = left;
    const struct token *b = right;
    return bytes_compare(a->text, b->text);
}

/* The token at the front of `rest`, NULL when there is none. No token is a prefix of another, so
 * the only candidate is the greatest one that is not greater than `rest`. */
static struct token *token_at(struct token *tokens, size_t count, struct bytes rest)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (bytes_compare(tokens[middle].text, rest) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || tokens[low - 1].text.size > rest.size ||
        !bytes_equal(tokens[low - 1].text, bytes_of(rest.data, tokens[low - 1].text.size))) {
        return NULL;
    }
    return &tokens[low - 1];
}

static struct bytes up_to_comma(struct bytes rest)
{
    const uint8_t *comma = rest.size == 0 ? NULL : memchr(rest.data, ',', rest.size);
    return comma == NULL ? rest : bytes_of(rest.data, (size_t)(comma - rest.data));
}

static struct token *tokens_of(const struct suit *suit, size_t *out_count)
{
    struct token *tokens = heap_alloc(suit->count * sizeof *tokens);
    size_t count = 0;
    for (size_t i = 0; i < suit->count; i++) {
        if (is_update(&suit->deeds[i])) {
            tokens[count++] = (struct token){.text = suit->deeds[i].of->argument, .deed = i};
        }
    }
    qsort(tokens, count, sizeof *tokens, by_text);
    *out_count = count;
    return tokens;
}

static enum split judge_element(const struct suit *suit, const struct token *found)
{
    if (found == NULL) {
        return SPLIT_STRANGE;
    }
    if (suit->deeds[found->deed].of->outcome == HISTORY_FAILED) {
        return SPLIT_FAILED;
    }
    return found->placed ? SPLIT_TWICE : SPLIT_OK;
}

static struct verdict wrong_element(const struct suit *suit,
                                    enum split wrong,
                                    struct bytes element,
                                    const struct deed *whole)
{
    static const char *const texts[] = {[SPLIT_OK] = "",
                                        [SPLIT_STRANGE] = "written by nobody",
                                        [SPLIT_FAILED] = "written by an operation that FAILED",
                                        [SPLIT_TWICE] = "there for the second time"};
    char text[TEXT_SIZE];
    return verdict_bad("key %.*s: element %.*s, %s, is seen by %s", (int)suit->key.size,
                       (const char *)suit->key.data, (int)(element.size < 60 ? element.size : 60),
                       (const char *)element.data, texts[wrong],
                       deed_text(whole, text, sizeof text));
}

/* The element that `rest` begins with. */
static struct token *element_at(enum growing_kind kind,
                                struct token *tokens,
                                size_t count,
                                struct bytes rest)
{
    if (kind != GROWING_LIST) {
        return token_at(tokens, count, rest);
    }
    const struct bytes element = up_to_comma(rest);
    struct token *found = token_at(tokens, count, element);
    return found != NULL && found->text.size == element.size ? found : NULL;
}

enum split growing_split(const struct suit *suit,
                         enum growing_kind kind,
                         const struct deed *whole,
                         struct piece *out_pieces,
                         size_t *out_count,
                         struct verdict *out_verdict)
{
    Q_CHECK(kind == GROWING_APPEND || kind == GROWING_LIST);
    size_t token_count = 0;
    struct token *tokens = tokens_of(suit, &token_count);
    struct bytes rest = whole->of->absent ? bytes_of(NULL, 0) : whole->of->result;
    int64_t at = 0;
    size_t count = 0;
    enum split answer = SPLIT_OK;
    while (rest.size > 0) {
        struct token *found = element_at(kind, tokens, token_count, rest);
        answer = judge_element(suit, found);
        if (answer != SPLIT_OK) {
            const struct bytes element = found == NULL ? up_to_comma(rest) : found->text;
            *out_verdict = wrong_element(suit, answer, element, whole);
            break;
        }
        found->placed = true;
        const struct deed *deed = &suit->deeds[found->deed];
        const int64_t size = size_of(kind, deed);
        out_pieces[count++] = (struct piece){.deed = deed, .from = at, .to = at + size};
        at += size;
        const size_t comma = kind == GROWING_LIST && found->text.size < rest.size ? 1 : 0;
        rest = bytes_of(rest.data + found->text.size + comma, rest.size - found->text.size - comma);
    }
    *out_count = count;
    heap_free(tokens);
    return answer;
}

/* The ladder of one key. */
struct rung {
    int64_t at;   /* Where the contents end after it. */
    int64_t from; /* Where they ended before an update. */
    bool is_read;
    const struct deed *deed;
    uint64_t first_end; /* The first end of it and of those above it. */
};

struct ladder {
    const struct suit *suit;
    enum growing_kind kind;
    const struct deed *longest; /* The read that saw most; NULL without one and for counters. */
    int64_t extent;             /* How much it saw. */
    /* Owned. */
    bool *placed;         /* Per deed: it has a piece. */
    struct piece *pieces; /* Of known place. */
    struct spare *spares; /* Unseen UNKNOWN updates. */
    struct rung *rungs;   /* From the top to the foot, once sorted. */
    struct gap *gaps;     /* From the foot to the top. */
    size_t *gap_rungs;    /* Of each gap: the rung that tells of it. */
    size_t piece_count;
    size_t spare_count;
    size_t rung_count;
    size_t gap_count;
    struct verdict verdict;
};

static enum growing_answer bad(struct ladder *l, const char *what, const struct deed *deed)
{
    char text[TEXT_SIZE];
    l->verdict =
        verdict_bad("key %.*s: %s: %s", (int)l->suit->key.size, (const char *)l->suit->key.data,
                    what, deed_text(deed, text, sizeof text));
    return GROWING_BAD;
}

static enum growing_answer find_longest(struct ladder *l)
{
    for (size_t i = 0; i < l->suit->count; i++) {
        const struct deed *deed = &l->suit->deeds[i];
        if (is_update(deed) || !deed_is_ok(deed)) {
            continue;
        }
        int64_t extent = 0;
        if (!growing_extent(l->kind, deed, &extent)) {
            return bad(l, "malformed result", deed);
        }
        if (l->kind != GROWING_COUNTER && (l->longest == NULL || extent > l->extent)) {
            l->longest = deed;
            l->extent = extent;
        }
    }
    return GROWING_OK;
}

/* Gives a piece to every update the longest read holds, and a rung to every read. */
static enum growing_answer place_seen(struct ladder *l)
{
    if (l->longest != NULL) {
        const enum split answer =
            growing_split(l->suit, l->kind, l->longest, l->pieces, &l->piece_count, &l->verdict);
        if (answer != SPLIT_OK) {
            return GROWING_BAD;
        }
    }
    for (size_t i = 0; i < l->piece_count; i++) {
        l->placed[l->pieces[i].deed - l->suit->deeds] = true;
    }
    for (size_t i = 0; i < l->suit->count; i++) {
        const struct deed *deed = &l->suit->deeds[i];
        if (is_update(deed) || !deed_is_ok(deed)) {
            continue;
        }
        if (l->longest != NULL &&
            !growing_is_prefix(l->kind, deed->of->result, l->longest->of->result)) {
            return bad(l, "not the beginning of the longest read", deed);
        }
        struct rung *rung = &l->rungs[l->rung_count++];
        *rung = (struct rung){.is_read = true, .deed = deed};
        Q_CHECK(growing_extent(l->kind, deed, &rung->at));
    }
    return GROWING_OK;
}

/* Gives a piece to every acknowledged update by its result, and collects the spare ones. */
static enum growing_answer place_acknowledged(struct ladder *l)
{
    for (size_t i = 0; i < l->piece_count; i++) {
        int64_t result = 0;
        const struct deed *deed = l->pieces[i].deed;
        if (deed_is_ok(deed) &&
            (!bytes_to_int64(deed->of->result, &result) || result != l->pieces[i].to)) {
            return bad(l, "its result is not its place in the longest read", deed);
        }
    }
    for (size_t i = 0; i < l->suit->count; i++) {
        const struct deed *deed = &l->suit->deeds[i];
        if (!is_update(deed) || l->placed[i]) {
            continue;
        }
        const int64_t size = size_of(l->kind, deed);
        if (deed_is_unsure(deed)) {
            l->spares[l->spare_count++] = (struct spare){.size = size, .started = deed->started};
            continue;
        }
        int64_t to = 0;
        if (!deed_is_ok(deed)) {
            continue;
        }
        if (!bytes_to_int64(deed->of->result, &to) || to < size) {
            return bad(l, "malformed result", deed);
        }
        if (to <= l->extent) {
            return bad(l, "acknowledged, but another one has its place in the longest read", deed);
        }
        l->pieces[l->piece_count++] = (struct piece){.deed = deed, .from = to - size, .to = to};
    }
    return GROWING_OK;
}

/* From the top of the ladder to its foot. */
static int by_rung(const void *left, const void *right)
{
    const struct rung *a = left;
    const struct rung *b = right;
    if (a->at != b->at) {
        return a->at > b->at ? -1 : 1;
    }
    return (int)b->is_read - (int)a->is_read;
}

/* Makes a rung of every piece and puts the ladder in order. */
static enum growing_answer build(struct ladder *l)
{
    for (size_t i = 0; i < l->piece_count; i++) {
        const struct piece *piece = &l->pieces[i];
        l->rungs[l->rung_count++] =
            (struct rung){.at = piece->to, .from = piece->from, .deed = piece->deed};
    }
    qsort(l->rungs, l->rung_count, sizeof *l->rungs, by_rung);
    uint64_t first_end = STAMP_NEVER;
    for (size_t i = 0; i < l->rung_count; i++) {
        const uint64_t end = l->rungs[i].deed->ended;
        first_end = end < first_end ? end : first_end;
        l->rungs[i].first_end = first_end;
    }
    return GROWING_OK;
}

/* Climbs from the foot to the top: no two updates in one place, no read within an update, and a
 * gap where nothing known is. */
static enum growing_answer climb(struct ladder *l)
{
    int64_t at = 0;
    const struct rung *below = NULL;
    for (size_t i = l->rung_count; i-- > 0;) {
        const struct rung *rung = &l->rungs[i];
        const int64_t from = rung->is_read ? rung->at : rung->from;
        if (from < at && below != NULL && below->is_read) {
            return bad(l, "saw a part of an update", below->deed);
        }
        if (from < at) {
            return bad(l, "its result puts it into the place of another", rung->deed);
        }
        if (from > at) {
            l->gaps[l->gap_count] = (struct gap){.size = from - at, .deadline = rung->first_end};
            l->gap_rungs[l->gap_count++] = i;
        }
        at = rung->at;
        below = rung;
    }
    return GROWING_OK;
}

static enum growing_answer fill(struct ladder *l)
{
    size_t gap = 0;
    switch (filling_find(l->gaps, l->gap_count, l->spares, l->spare_count, &gap)) {
    case FILLING_FOUND: return GROWING_OK;
    case FILLING_UNDECIDED: return GROWING_UNDECIDED;
    case FILLING_NONE: break;
    }
    return bad(l, "counts what nobody can have written by then", l->rungs[l->gap_rungs[gap]].deed);
}

/* `rung` started after one above it had ended. */
static enum growing_answer bad_pair(struct ladder *l, const struct rung *rung)
{
    char text[TEXT_SIZE];
    char before[TEXT_SIZE];
    const struct deed *earlier = NULL;
    for (size_t i = 0; earlier == NULL; i++) {
        Q_CHECK(i < l->rung_count && by_rung(&l->rungs[i], rung) < 0);
        earlier = l->rungs[i].deed->ended < rung->deed->started ? l->rungs[i].deed : NULL;
    }
    l->verdict =
        verdict_bad("key %.*s: %s ended before %s began, but saw more", (int)l->suit->key.size,
                    (const char *)l->suit->key.data, deed_text(earlier, before, sizeof before),
                    deed_text(rung->deed, text, sizeof text));
    return GROWING_BAD;
}

/* No deed may have ended before another one on a lower rung started. */
static enum growing_answer check_order(struct ladder *l)
{
    uint64_t deadline = STAMP_NEVER; /* The first end on the rungs above. */
    for (size_t i = 0; i < l->rung_count; i++) {
        const struct rung *rung = &l->rungs[i];
        if (i > 0 && by_rung(&l->rungs[i - 1], rung) != 0) {
            deadline = l->rungs[i - 1].first_end;
        }
        if (rung->deed->started > deadline) {
            return bad_pair(l, rung);
        }
    }
    return GROWING_OK;
}

static enum growing_answer judge(struct ladder *l)
{
    enum growing_answer (*const steps[])(struct ladder *) = {
        find_longest, place_seen, place_acknowledged, build, climb, check_order, fill};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const enum growing_answer answer = steps[i](l);
        if (answer != GROWING_OK) {
            return answer;
        }
    }
    return GROWING_OK;
}

enum growing_answer growing_check(const struct suit *suit, struct verdict *out_verdict)
{
    struct ladder l = {.suit = suit, .kind = growing_kind_of(suit), .verdict = verdict_ok()};
    if (l.kind == GROWING_NONE) {
        return GROWING_UNFIT;
    }
    l.placed = heap_alloc(suit->count * sizeof *l.placed);
    l.pieces = heap_alloc(suit->count * sizeof *l.pieces);
    l.spares = heap_alloc(suit->count * sizeof *l.spares);
    l.rungs = heap_alloc(suit->count * sizeof *l.rungs);
    l.gaps = heap_alloc(suit->count * sizeof *l.gaps);
    l.gap_rungs = heap_alloc(suit->count * sizeof *l.gap_rungs);
    const enum growing_answer answer = judge(&l);
    heap_free(l.placed);
    heap_free(l.pieces);
    heap_free(l.spares);
    heap_free(l.rungs);
    heap_free(l.gaps);
    heap_free(l.gap_rungs);
    Q_CHECK((answer == GROWING_BAD) == !l.verdict.ok);
    *out_verdict = l.verdict;
    return answer;
}
