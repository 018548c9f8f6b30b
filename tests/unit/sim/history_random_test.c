/* sim/check against random histories, right ones and ones with a planted fault; and tiny ones
 * beside a judge that tries every order. */
#include "base/os/clock.h"
#include "unit/sim/random_history.h"

TEST(two_hundred_and_forty_right_histories_raise_no_alarm)
{
    for (uint64_t seed = 0; seed < 240; seed++) {
        const enum family family = (enum family)(seed % FAMILIES);
        const bool hard = family == MIXED || family == MIXED_COUNTERS;
        const struct plan plan = {.seed = seed,
                                  .operations = hard ? 300 : 2000,
                                  .keys = hard ? 40 : 1 + seed % 20,
                                  .clients = hard ? 4 : 16,
                                  .unknown_percent = hard ? 2 : seed % 4 * 10,
                                  .failed_percent = 3,
                                  .closing_reads = closes(family),
                                  .family = family};
        bool planted = false;
        struct history *history = make(&plan, &planted);
        const struct verdict verdict =
            closes(family) ? history_check_all(history) : history_check_linearizable(history, 0);
        history_free(history);
        if (!verdict.ok || verdict.undecided) {
            printf("# seed %d: %s\n", (int)seed, verdict.reason);
        }
        EXPECT(verdict.ok && !verdict.undecided);
    }
}

/* As when a node is paused: some operations overlap with hundreds of others. */
TEST(operations_that_last_long_do_not_make_the_search_explode)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        const struct plan plan = {.seed = seed,
                                  .operations = 2000,
                                  .keys = 1 + seed % 4,
                                  .clients = 16,
                                  .slow_clients = 10,
                                  .unknown_percent = seed % 3 * 10,
                                  .failed_percent = 3,
                                  .family = REGISTERS};
        bool planted = false;
        struct history *history = make(&plan, &planted);
        const struct verdict verdict = history_check_linearizable(history, 1000000);
        history_free(history);
        EXPECT(verdict.ok && !verdict.undecided);
    }
}

/* How many of 100 histories with one fault are caught. */
static int caught(enum family family, enum fault fault)
{
    int count = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        const struct plan plan = {.seed = seed + 1000,
                                  .operations = 1500,
                                  .keys = 20,
                                  .clients = 16,
                                  .unknown_percent = 5,
                                  .failed_percent = 3,
                                  .closing_reads = true,
                                  .family = family,
                                  .fault = fault};
        bool planted = false;
        struct history *history = make(&plan, &planted);
        REQUIRE(planted);
        const struct verdict verdict = family == REGISTERS ? history_check_linearizable(history, 0)
                                                           : history_check_all(history);
        count += !verdict.ok;
        history_free(history);
    }
    return count;
}

TEST(with_closing_reads_every_fault_on_lists_and_appends_is_caught)
{
    const enum fault faults[] = {FAULT_LOSE, FAULT_DOUBLE, FAULT_STALE, FAULT_ABORTED};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        EXPECT(caught(APPENDS, faults[i]) == 100);
        EXPECT(caught(LISTS, faults[i]) == 100);
    }
}

/* A register's update may be overwritten before anybody looks, and then nobody can tell. */
TEST(most_faults_on_registers_and_counters_are_caught)
{
    const int lost = caught(REGISTERS, FAULT_LOSE);
    const int stale = caught(REGISTERS, FAULT_STALE);
    const int aborted = caught(REGISTERS, FAULT_ABORTED);
    const int lost_sums = caught(COUNTERS, FAULT_LOSE);
    printf("# caught of 100: lost %d, stale %d, aborted %d, lost in a counter %d\n", lost, stale,
           aborted, lost_sums);
    EXPECT(lost >= 30);
    EXPECT(stale >= 95);
    EXPECT(aborted >= 20);
    EXPECT(lost_sums >= 90); /* An unknown INCRBY can stand in for a lost one. */
}

/* A second opinion for tiny histories of one key: all orders of all subsets of the unsure ones. */
#define TINY_MAX    7
#define STATE_MAX   64
#define REACHED_MAX 6000

struct reached {
    unsigned set;
    bool present;
    char value[STATE_MAX];
};

/* Does `d` as a fresh draft; true when its answer is the recorded one. */
static bool replay(const struct draft *recorded, struct reached *at)
{
    struct draft again = *recorded;
    again.seen = (struct buf){0};
    again.result[0] = 0;
    again.absent = false;
    struct buf value = {0};
    buf_append_text(&value, at->value);
    perform(&again, &at->present, &value);
    bool same = recorded->outcome != HISTORY_OK;
    if (reads(recorded->kind)) {
        /* LRANGE does not tell an empty list from none. */
        const bool absent_fits =
            recorded->kind == HISTORY_RANGE || again.absent == recorded->absent;
        same = same ||
               (absent_fits && bytes_equal(buf_bytes(&again.seen), buf_bytes(&recorded->seen)));
    } else {
        same = same || strcmp(again.result, recorded->result) == 0;
    }
    const size_t size = buf_size(&value);
    REQUIRE(size < STATE_MAX);
    memset(at->value, 0, STATE_MAX);
    if (size > 0) {
        memcpy(at->value, buf_bytes(&value).data, size);
    }
    buf_deinit(&value);
    buf_deinit(&again.seen);
    return same;
}

/* True when `a` must come before `b`. */
static bool precedes(const struct draft *a, const struct draft *b)
{
    return a->outcome == HISTORY_OK && a->to < b->from;
}

static bool brute_force(const struct draft *drafts, size_t count)
{
    struct reached *all = heap_alloc(REACHED_MAX * sizeof *all);
    size_t reached = 1;
    unsigned sure = 0;
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        sure |= (drafts[i].outcome == HISTORY_OK ? 1U : 0U) << i;
    }
    for (size_t at = 0; at < reached && !found; at++) {
        found = (all[at].set & sure) == sure;
        for (size_t i = 0; i < count; i++) {
            bool allowed = (all[at].set >> i & 1U) == 0 && drafts[i].outcome != HISTORY_FAILED;
            for (size_t j = 0; j < count; j++) {
                allowed = allowed && ((all[at].set >> j & 1U) != 0 || i == j ||
                                      !precedes(&drafts[j], &drafts[i]));
            }
            struct reached next = all[at];
            next.set |= 1U << i;
            if (!allowed || !replay(&drafts[i], &next)) {
                continue;
            }
            bool met = false;
            for (size_t k = 0; k < reached && !met; k++) {
                met = all[k].set == next.set && all[k].present == next.present &&
                      strcmp(all[k].value, next.value) == 0;
            }
            if (!met) {
                REQUIRE(reached < REACHED_MAX);
                all[reached++] = next;
            }
        }
    }
    heap_free(all);
    return found;
}

TEST(the_judge_agrees_with_trying_every_order)
{
    int good = 0;
    int bad = 0;
    struct prng prng;
    prng_init(&prng, 42);
    for (uint64_t seed = 0; seed < 12000; seed++) {
        const struct plan plan = {.seed = seed,
                                  .operations = 3 + seed % (TINY_MAX - 2),
                                  .keys = 1,
                                  .clients = 4,
                                  .unknown_percent = 10 * (seed % 6),
                                  .failed_percent = 5,
                                  .family = (enum family)(seed / 6 % FAMILIES)};
        struct draft drafts[TINY_MAX];
        struct prng own;
        prng_init(&own, seed);
        const size_t count = draw(&plan, &own, drafts);
        /* Equal moments are ordered by how they were recorded: keep them apart here. */
        for (size_t i = 0; i < count; i++) {
            drafts[i].from *= 2;
            drafts[i].to = drafts[i].to * 2 + 1;
            drafts[i].point *= 2;
        }
        (void)run(&plan, drafts, count);
        for (uint64_t i = prng_below(&prng, 3); i > 0; i--) {
            tamper(&prng, drafts, count);
        }
        const bool expected = brute_force(drafts, count);
        struct history *history = record(drafts, count);
        const struct verdict verdict = history_check_linearizable(history, 0);
        if (verdict.ok != expected) {
            struct buf out = {0};
            history_write(history, &out);
            printf("# seed %d wants %d: %s\n%.*s", (int)seed, (int)expected, verdict.reason,
                   (int)buf_size(&out), (const char *)buf_bytes(&out).data);
            buf_deinit(&out);
        }
        history_free(history);
        EXPECT(verdict.ok == expected && !verdict.undecided);
        good += expected;
        bad += !expected;
    }
    printf("# linearizable %d, not %d\n", good, bad);
    EXPECT(good > 2000 && bad > 2000);
}

/* 100,000 operations on 20 keys by 16 clients, 5 % of them of unknown outcome. */
TEST(a_hundred_thousand_operations_are_judged_within_ten_seconds)
{
    const enum family families[] = {REGISTERS, APPENDS, LISTS, STEPS};
    uint64_t sum_ms = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct plan plan = {.seed = i,
                                  .operations = 25000,
                                  .keys = 5,
                                  .clients = 16,
                                  .unknown_percent = 5,
                                  .failed_percent = 3,
                                  .closing_reads = true,
                                  .family = families[i]};
        bool planted = false;
        struct history *history = make(&plan, &planted);
        const uint64_t start = clock_monotonic_ms();
        const struct verdict verdict = history_check_all(history);
        const uint64_t took_ms = clock_monotonic_ms() - start;
        printf("# family %zu: 25000 operations judged in %d ms\n", i, (int)took_ms);
        sum_ms += took_ms;
        history_free(history);
        EXPECT(verdict.ok && verdict.undecided == 0);
    }
    EXPECT(sum_ms < 10000);
}

TEST_MAIN(CASE(two_hundred_and_forty_right_histories_raise_no_alarm),
          CASE(operations_that_last_long_do_not_make_the_search_explode),
          CASE(with_closing_reads_every_fault_on_lists_and_appends_is_caught),
          CASE(most_faults_on_registers_and_counters_are_caught),
          CASE(the_judge_agrees_with_trying_every_order),
          CASE(a_hundred_thousand_operations_are_judged_within_ten_seconds))
