/* The fast judges beside the plain search, and how much of what is wrong they find. */
#include "base/os/clock.h"
#include "sim/check/zones.h"
#include "unit/sim/random_history.h"

#define PLAIN_STEPS 3000000

/* Every key by the search alone. */
static struct verdict search_alone(const struct history *history)
{
    struct docket docket;
    docket_init(&docket, history);
    struct verdict verdict = verdict_ok();
    struct suit suit;
    size_t at = 0;
    while (verdict.ok && docket_next(&docket, &at, &suit)) {
        struct zones none = {.block_of = heap_alloc(suit.count * sizeof *none.block_of)};
        for (size_t i = 0; i < suit.count; i++) {
            none.block_of[i] = BLOCK_NONE;
        }
        const struct verdict one = search_check(&suit, &none, PLAIN_STEPS);
        zones_deinit(&none);
        if (!one.ok || (one.undecided > 0 && verdict.undecided == 0)) {
            verdict = one;
        }
    }
    docket_deinit(&docket);
    return verdict;
}

struct tally {
    int good;
    int bad;
    int undecided; /* By the search alone. */
};

/* Judges one history in both ways. */
static void compare(const struct plan *plan, uint64_t tampers, struct tally *tally)
{
    struct prng prng;
    prng_init(&prng, plan->seed);
    struct draft *drafts = heap_alloc((plan->operations + plan->keys) * sizeof *drafts);
    const size_t count = draw(plan, &prng, drafts);
    (void)run(plan, drafts, count);
    for (uint64_t i = 0; i < tampers; i++) {
        tamper(&prng, drafts, count);
    }
    struct history *history = record(drafts, count);
    heap_free(drafts);
    const struct verdict fast = history_check_linearizable(history, 0);
    const struct verdict slow = search_alone(history);
    if (slow.undecided == 0 && fast.ok != slow.ok) {
        struct buf out = {0};
        history_write(history, &out);
        printf("# seed %d: %s | %s\n%.*s", (int)plan->seed, fast.reason, slow.reason,
               (int)buf_size(&out), (const char *)buf_bytes(&out).data);
        buf_deinit(&out);
    }
    history_free(history);
    REQUIRE(fast.undecided == 0);
    REQUIRE(slow.undecided > 0 || fast.ok == slow.ok);
    tally->undecided += slow.undecided > 0;
    tally->good += slow.undecided == 0 && slow.ok;
    tally->bad += !slow.ok;
}

TEST(registers_are_judged_as_by_the_search_alone)
{
    struct tally tally = {0};
    for (uint64_t seed = 0; seed < 6000; seed++) {
        const struct plan plan = {.seed = seed,
                                  .operations = 10 + seed % 50,
                                  .keys = 1,
                                  .clients = 3 + (uint32_t)(seed % 6),
                                  .slow_clients = (uint32_t)(seed % 3),
                                  .unknown_percent = seed % 5 * 5,
                                  .failed_percent = 3,
                                  .family = REGISTERS};
        compare(&plan, seed % 4, &tally);
    }
    printf("# linearizable %d, not %d, undecided by the search alone %d\n", tally.good, tally.bad,
           tally.undecided);
    EXPECT(tally.good > 1500 && tally.bad > 1500);
    EXPECT(tally.undecided < 60);
}

TEST(counters_and_appends_are_judged_as_by_the_search_alone)
{
    static const enum family families[] = {COUNTERS, STEPS, APPENDS, LISTS};
    struct tally tally = {0};
    for (uint64_t seed = 0; seed < 4000; seed++) {
        const struct plan plan = {.seed = seed,
                                  .operations = 8 + seed % 10,
                                  .keys = 1,
                                  .clients = 4,
                                  .unknown_percent = seed % 5 * 10,
                                  .failed_percent = 3,
                                  .family = families[seed / 4 % 4]};
        compare(&plan, seed % 4, &tally);
    }
    printf("# linearizable %d, not %d, undecided by the search alone %d\n", tally.good, tally.bad,
           tally.undecided);
    EXPECT(tally.good > 1000 && tally.bad > 1000);
    EXPECT(tally.undecided < 40);
}

/* reliability of the judges: one fault in 4,000 operations on 100 keys by 16 clients. */
static int caught(enum family family, enum fault fault)
{
    int count = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        const struct plan plan = {.seed = seed + 500,
                                  .operations = 4000,
                                  .keys = 100,
                                  .clients = 16,
                                  .unknown_percent = 1,
                                  .failed_percent = 1,
                                  .closing_reads = true,
                                  .family = family,
                                  .fault = fault};
        bool planted = false;
        struct history *history = make(&plan, &planted);
        REQUIRE(planted == (fault != FAULT_NONE));
        const bool is_list = family == APPENDS || family == LISTS;
        const struct verdict verdict =
            is_list ? history_check_all(history) : history_check_linearizable(history, 0);
        history_free(history);
        REQUIRE(verdict.undecided == 0);
        count += !verdict.ok;
    }
    return count;
}

TEST(fifty_clean_histories_of_each_kind_raise_no_alarm)
{
    for (int family = 0; family < FAMILIES; family++) {
        if (family != MIXED_COUNTERS) {
            EXPECT(caught((enum family)family, FAULT_NONE) == 0);
        }
    }
}

TEST(every_stale_read_is_caught)
{
    EXPECT(caught(REGISTERS, FAULT_STALE) == 50);
    EXPECT(caught(MIXED, FAULT_STALE) == 50);
    EXPECT(caught(STEPS, FAULT_STALE) == 50);
    EXPECT(caught(APPENDS, FAULT_STALE) == 50);
    EXPECT(caught(LISTS, FAULT_STALE) == 50);
}

TEST(every_lost_or_doubled_element_is_caught)
{
    EXPECT(caught(APPENDS, FAULT_LOSE) == 50);
    EXPECT(caught(APPENDS, FAULT_DOUBLE) == 50);
    EXPECT(caught(LISTS, FAULT_LOSE) == 50);
    EXPECT(caught(LISTS, FAULT_DOUBLE) == 50);
}

/* What is overwritten before anybody looks leaves no trace; half is what such loads can show. */
TEST(half_of_the_lost_and_doubled_updates_of_mixed_keys_are_caught)
{
    const int lost = caught(REGISTERS, FAULT_LOSE);
    const int mixed_lost = caught(MIXED, FAULT_LOSE);
    const int mixed_doubled = caught(MIXED, FAULT_DOUBLE);
    const int steps_lost = caught(STEPS, FAULT_LOSE);
    const int steps_doubled = caught(STEPS, FAULT_DOUBLE);
    printf("# of 50: register lost %d; mixed lost %d, doubled %d; counter lost %d, doubled %d\n",
           lost, mixed_lost, mixed_doubled, steps_lost, steps_doubled);
    EXPECT(lost >= 27);
    EXPECT(mixed_lost >= 27);
    EXPECT(mixed_doubled >= 29);
    EXPECT(steps_lost >= 45);
    EXPECT(steps_doubled >= 45);
}

TEST_MAIN(CASE(registers_are_judged_as_by_the_search_alone),
          CASE(counters_and_appends_are_judged_as_by_the_search_alone),
          CASE(fifty_clean_histories_of_each_kind_raise_no_alarm),
          CASE(every_stale_read_is_caught),
          CASE(every_lost_or_doubled_element_is_caught),
          CASE(half_of_the_lost_and_doubled_updates_of_mixed_keys_are_caught))
