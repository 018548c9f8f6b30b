/* Linearizability of a history: each key by the judge that fits it. A history is linearizable if
 * and only if each of its keys is (Herlihy and Wing 1990, locality). */
#include "sim/check/history.h"
#include "sim/check/judge.h"
#include "sim/check/zones.h"

static struct verdict undecided(const struct suit *suit)
{
    struct verdict verdict =
        verdict_bad("key %.*s: too many ways for UNKNOWN operations to explain it",
                    (int)suit->key.size, (const char *)suit->key.data);
    verdict.ok = true;
    verdict.undecided = 1;
    return verdict;
}

/* A key that is a register, or a mixture. */
static struct verdict check_register(const struct suit *suit, uint64_t steps_max)
{
    struct verdict verdict = verdict_ok();
    struct zones zones;
    switch (zones_init(&zones, suit, &verdict)) {
    case ZONES_OK:
    case ZONES_BAD: break;
    case ZONES_OPEN:
    case ZONES_UNFIT: verdict = search_check(suit, &zones, steps_max); break;
    }
    zones_deinit(&zones);
    return verdict;
}

static struct verdict check_suit(const struct suit *suit, uint64_t steps_max)
{
    struct verdict verdict = verdict_ok();
    switch (growing_check(suit, &verdict)) {
    case GROWING_OK:
    case GROWING_BAD: break;
    case GROWING_UNFIT: verdict = check_register(suit, steps_max); break;
    case GROWING_UNDECIDED: verdict = undecided(suit); break;
    }
    return verdict;
}

struct verdict history_check_linearizable(const struct history *history, uint64_t steps_max)
{
    struct docket docket;
    docket_init(&docket, history);
    struct verdict verdict = verdict_ok();
    struct suit suit;
    size_t at = 0;
    while (verdict.ok && docket_next(&docket, &at, &suit)) {
        struct verdict one = check_suit(&suit, steps_max);
        if (!one.ok || one.undecided > 0) {
            one.undecided += verdict.undecided;
            verdict = one;
        }
    }
    docket_deinit(&docket);
    return verdict;
}
