/* Linearizability of a history: each key by the judge that fits it. A history is linearizable if
 * and only if each of its keys is (Herlihy and Wing 1990, locality). */
#include "sim/check/history.h"
#include "sim/check/judge.h"

struct verdict history_check_linearizable(const struct history *history, uint64_t steps_max)
{
    struct docket docket;
    docket_init(&docket, history);
    struct verdict verdict = verdict_ok();
    struct suit suit;
    size_t at = 0;
    while (verdict.ok && docket_next(&docket, &at, &suit)) {
        struct verdict one = verdict_ok();
        if (growing_check(&suit, &one) == GROWING_UNFIT) {
            one = search_check(&suit, steps_max);
        }
        if (!one.ok || one.undecided) {
            verdict = one;
        }
    }
    docket_deinit(&docket);
    return verdict;
}
