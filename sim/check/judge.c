#include "sim/check/judge.h"

#include "base/check.h"
#include "base/os/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* An invocation or a return, while they are being put in order. */
struct moment {
    uint64_t at;
    uint64_t order;
    size_t deed;
    bool is_return;
};

static int by_time(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

static int by_key(const void *left, const void *right)
{
    const struct deed *a = left;
    const struct deed *b = right;
    const int order = bytes_compare(a->of->key, b->of->key);
    if (order != 0) {
        return order;
    }
    return a->started < b->started ? -1 : a->started > b->started;
}

void docket_init(struct docket *docket, const struct history *history)
{
    struct moment *moments = heap_alloc(2 * history->count * sizeof *moments);
    docket->deeds = heap_alloc(history->count * sizeof *docket->deeds);
    docket->count = history->count;
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *o = &history->operations[i];
        docket->deeds[i] = (struct deed){.of = o, .ended = STAMP_NEVER, .given_up = STAMP_NEVER};
        moments[count++] =
            (struct moment){.at = o->invoked_at, .order = o->invoked_order, .deed = i};
        if (o->outcome != HISTORY_PENDING) {
            moments[count++] = (struct moment){
                .at = o->returned_at, .order = o->returned_order, .deed = i, .is_return = true};
        }
    }
    qsort(moments, count, sizeof *moments, by_time);
    for (size_t i = 0; i < count; i++) {
        struct deed *deed = &docket->deeds[moments[i].deed];
        if (!moments[i].is_return) {
            deed->started = i;
            continue;
        }
        deed->given_up = i;
        if (deed->of->outcome != HISTORY_UNKNOWN) {
            deed->ended = i;
        }
    }
    heap_free(moments);
    qsort(docket->deeds, docket->count, sizeof *docket->deeds, by_key);
}

void docket_deinit(struct docket *docket)
{
    heap_free(docket->deeds);
    *docket = (struct docket){0};
}

bool docket_next(const struct docket *docket, size_t *at, struct suit *out_suit)
{
    Q_CHECK(*at <= docket->count);
    const size_t first = *at;
    if (first == docket->count) {
        return false;
    }
    const struct bytes key = docket->deeds[first].of->key;
    while (*at < docket->count && bytes_equal(docket->deeds[*at].of->key, key)) {
        (*at)++;
    }
    *out_suit = (struct suit){.key = key, .deeds = &docket->deeds[first], .count = *at - first};
    return true;
}

bool kind_is_read(enum history_kind kind)
{
    return kind == HISTORY_READ || kind == HISTORY_RANGE;
}

/* Long contents are cut at the front: what a reader looks for is usually the newest element. */
static int shown(struct bytes bytes, const char **out)
{
    const size_t size = bytes.size < 48 ? bytes.size : 48;
    *out = size == 0 ? "" : (const char *)bytes.data + (bytes.size - size);
    return (int)size;
}

const char *deed_text(const struct deed *deed, char *out, size_t size)
{
    static const char *const kinds[HISTORY_KINDS] = {"GET",    "SET",   "SET-IFEQ", "DEL",
                                                     "APPEND", "RPUSH", "LRANGE",   "INCRBY"};
    static const char *const outcomes[] = {"pending", "ok", "failed", "unknown"};
    const struct operation *o = deed->of;
    const char *argument = NULL;
    const char *expected = NULL;
    const char *result = NULL;
    const int argument_size = shown(o->argument, &argument);
    const int expected_size = shown(o->expected, &expected);
    const int result_size = shown(o->result, &result);
    (void)snprintf(out, size, "[client %u %s(%.*s%s%.*s) = %s%s%s%.*s, %llu..%llu]", o->client,
                   kinds[o->kind], expected_size, expected, expected_size > 0 ? "->" : "",
                   argument_size, argument, outcomes[o->outcome], o->absent ? " absent" : "",
                   result_size > 0 ? " " : "", result_size, result,
                   (unsigned long long)o->invoked_at, (unsigned long long)o->returned_at);
    return out;
}

struct verdict verdict_ok(void)
{
    return (struct verdict){.ok = true};
}

struct verdict verdict_bad(const char *format, ...)
{
    struct verdict verdict = {.ok = false};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(verdict.reason, sizeof verdict.reason, format, arguments);
    va_end(arguments);
    return verdict;
}
