/* sim/check: every kind of violation is caught, and nothing that is right is called wrong. */
#include "base/os/heap.h"
#include "base/prng.h"
#include "harness/test.h"
#include "sim/check/history.h"

#include <stdio.h>

static struct bytes text(const char *s)
{
    return s == NULL ? bytes_of(NULL, 0) : bytes_of_text(s);
}

/* One hand-made operation. A NULL result is "absent" for reads. `to` 0: no return. */
struct line {
    uint32_t client;
    enum history_kind kind;
    const char *argument;
    const char *expected;
    const char *result;
    enum history_outcome outcome;
    uint64_t from;
    uint64_t to;
};

static struct history *history_of(const struct line *lines, size_t count)
{
    struct history *history = history_new();
    for (size_t i = 0; i < count; i++) {
        const struct line *l = &lines[i];
        const struct history_call call = {.client = l->client,
                                          .kind = l->kind,
                                          .key = text("k"),
                                          .argument = text(l->argument),
                                          .expected = text(l->expected)};
        const size_t number = history_invoke(history, &call, l->from);
        if (l->outcome != HISTORY_PENDING) {
            history_return(history, number, l->outcome, l->result == NULL, text(l->result), l->to);
        }
    }
    return history;
}

static bool linear(const struct line *lines, size_t count)
{
    struct history *history = history_of(lines, count);
    const struct verdict verdict = history_check_linearizable(history, 0);
    history_free(history);
    REQUIRE(!verdict.undecided);
    REQUIRE(verdict.ok == (verdict.reason[0] == 0));
    return verdict.ok;
}

static bool lists_fine(const struct line *lines, size_t count)
{
    struct history *history = history_of(lines, count);
    const struct verdict verdict = history_check_lists(history);
    history_free(history);
    return verdict.ok;
}

static bool failures_fine(const struct line *lines, size_t count)
{
    struct history *history = history_of(lines, count);
    const struct verdict verdict = history_check_failures(history);
    history_free(history);
    return verdict.ok;
}

#define COUNT(lines)  (sizeof(lines) / sizeof((lines)[0]))
#define LINEAR(lines) linear(lines, COUNT(lines))
#define LISTS(lines)  lists_fine(lines, COUNT(lines))

#define OK_ HISTORY_OK

TEST(an_empty_history_is_fine)
{
    struct history *history = history_new();
    EXPECT(history_check_all(history).ok);
    EXPECT(history_count(history) == 0);
    history_free(history);
}

TEST(a_stale_read_is_caught)
{
    struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 2},
                           {1, HISTORY_WRITE, "b", NULL, "", OK_, 3, 4},
                           {2, HISTORY_READ, NULL, NULL, "a", OK_, 5, 6}};
    EXPECT(!LINEAR(lines));
    lines[2].from = 3; /* Overlapping the second write it may still see the first. */
    EXPECT(LINEAR(lines));
}

TEST(a_lost_write_is_caught)
{
    const struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 2},
                                 {2, HISTORY_READ, NULL, NULL, NULL, OK_, 3, 4}};
    EXPECT(!LINEAR(lines));
}

TEST(a_read_from_the_future_is_caught)
{
    const struct line lines[] = {{2, HISTORY_READ, NULL, NULL, "a", OK_, 1, 2},
                                 {1, HISTORY_WRITE, "a", NULL, "", OK_, 3, 4}};
    EXPECT(!LINEAR(lines));
    const struct line unknown[] = {{2, HISTORY_READ, NULL, NULL, "a", OK_, 1, 2},
                                   {1, HISTORY_WRITE, "a", NULL, "", HISTORY_UNKNOWN, 3, 4}};
    EXPECT(!LINEAR(unknown));
}

TEST(a_value_nobody_wrote_is_caught)
{
    const struct line lines[] = {{2, HISTORY_READ, NULL, NULL, "ghost", OK_, 1, 2}};
    EXPECT(!LINEAR(lines));
}

TEST(an_aborted_read_is_caught_by_both_judges)
{
    const struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", HISTORY_FAILED, 1, 2},
                                 {2, HISTORY_READ, NULL, NULL, "a", OK_, 3, 4}};
    EXPECT(!LINEAR(lines));
    EXPECT(!failures_fine(lines, COUNT(lines)));
    const struct line swap[] = {{1, HISTORY_WRITE, "a", NULL, "", HISTORY_FAILED, 1, 2},
                                {2, HISTORY_CAS, "b", "a", "1", OK_, 3, 4}};
    EXPECT(!failures_fine(swap, COUNT(swap)));
    const struct line push[] = {{1, HISTORY_PUSH, "a", NULL, "", HISTORY_FAILED, 1, 2},
                                {2, HISTORY_RANGE, NULL, NULL, "a", OK_, 3, 4}};
    EXPECT(!failures_fine(push, COUNT(push)));
    EXPECT(!LISTS(push));
    EXPECT(!LINEAR(push));
    const struct line fine[] = {{1, HISTORY_WRITE, "a", NULL, "", HISTORY_UNKNOWN, 1, 2},
                                {2, HISTORY_READ, NULL, NULL, "a", OK_, 3, 4}};
    EXPECT(failures_fine(fine, COUNT(fine)));
}

TEST(reads_that_disagree_about_the_order_of_two_writes_are_caught)
{
    const struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 20},
                                 {2, HISTORY_WRITE, "b", NULL, "", OK_, 1, 20},
                                 {3, HISTORY_READ, NULL, NULL, "a", OK_, 2, 3},
                                 {3, HISTORY_READ, NULL, NULL, "b", OK_, 4, 5},
                                 {3, HISTORY_READ, NULL, NULL, "a", OK_, 6, 7}};
    EXPECT(!LINEAR(lines));
    EXPECT(linear(lines, 4));
}

TEST(cas_must_agree_with_the_value)
{
    struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 2},
                           {1, HISTORY_CAS, "b", "a", "1", OK_, 3, 4},
                           {2, HISTORY_CAS, "c", "a", "0", OK_, 5, 6},
                           {2, HISTORY_READ, NULL, NULL, "b", OK_, 7, 8}};
    EXPECT(LINEAR(lines));
    lines[2].result = "1";
    EXPECT(!LINEAR(lines));
    lines[2].result = "0";
    lines[2].expected = "b"; /* Refused although the value was there. */
    EXPECT(!LINEAR(lines));
    lines[2].expected = "a";
    lines[3].result = "c"; /* Refused, but it took effect. */
    EXPECT(!LINEAR(lines));
}

TEST(delete_must_agree_with_the_value)
{
    struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 2},
                           {1, HISTORY_DELETE, NULL, NULL, "1", OK_, 3, 4},
                           {1, HISTORY_DELETE, NULL, NULL, "0", OK_, 5, 6},
                           {2, HISTORY_READ, NULL, NULL, NULL, OK_, 7, 8}};
    EXPECT(LINEAR(lines));
    lines[2].result = "1";
    EXPECT(!LINEAR(lines));
    lines[2].result = "0";
    lines[1].result = "0";
    EXPECT(!LINEAR(lines));
    lines[1].result = "1";
    lines[3].result = "a";
    EXPECT(!LINEAR(lines));
}

TEST(unknown_operations_may_take_effect_late_once_or_never)
{
    const struct line late[] = {{1, HISTORY_WRITE, "a", NULL, "", HISTORY_UNKNOWN, 1, 2},
                                {2, HISTORY_WRITE, "b", NULL, "", OK_, 3, 4},
                                {2, HISTORY_READ, NULL, NULL, "b", OK_, 5, 6},
                                {2, HISTORY_READ, NULL, NULL, "a", OK_, 7, 8}};
    EXPECT(LINEAR(late));
    EXPECT(linear(late, 3));
    const struct line twice[] = {{1, HISTORY_WRITE, "a", NULL, "", HISTORY_PENDING, 1, 0},
                                 {2, HISTORY_READ, NULL, NULL, "a", OK_, 3, 4},
                                 {2, HISTORY_WRITE, "b", NULL, "", OK_, 5, 6},
                                 {2, HISTORY_READ, NULL, NULL, "a", OK_, 7, 8}};
    EXPECT(!LINEAR(twice));
    const struct line chain[] = {{1, HISTORY_WRITE, "a", NULL, "", HISTORY_UNKNOWN, 1, 2},
                                 {1, HISTORY_CAS, "b", "a", "", HISTORY_UNKNOWN, 3, 4},
                                 {1, HISTORY_CAS, "c", "b", "", HISTORY_UNKNOWN, 5, 6},
                                 {2, HISTORY_READ, NULL, NULL, "c", OK_, 7, 8}};
    EXPECT(LINEAR(chain));
    EXPECT(!linear(&chain[1], 3)); /* Without the first link nothing leads to c. */
    const struct line gone[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 2},
                                {1, HISTORY_DELETE, NULL, NULL, "", HISTORY_UNKNOWN, 3, 4},
                                {2, HISTORY_READ, NULL, NULL, NULL, OK_, 5, 6},
                                {2, HISTORY_DELETE, NULL, NULL, "1", OK_, 7, 8}};
    EXPECT(linear(gone, 3));
    EXPECT(!LINEAR(gone));
}

TEST(returns_and_invocations_of_one_moment_keep_the_recorded_order)
{
    const struct line lines[] = {{1, HISTORY_WRITE, "a", NULL, "", OK_, 1, 1},
                                 {1, HISTORY_READ, NULL, NULL, NULL, OK_, 1, 1}};
    EXPECT(!LINEAR(lines));
}

TEST(appends_that_are_lost_or_doubled_are_caught)
{
    struct line lines[] = {{1, HISTORY_APPEND, "a;", NULL, "2", OK_, 1, 2},
                           {2, HISTORY_APPEND, "b;", NULL, "4", OK_, 3, 4},
                           {1, HISTORY_APPEND, "c;", NULL, "", HISTORY_UNKNOWN, 5, 6},
                           {3, HISTORY_READ, NULL, NULL, "a;b;", OK_, 7, 8}};
    EXPECT(LINEAR(lines) && LISTS(lines));
    lines[3].result = "a;b;c;";
    EXPECT(LINEAR(lines) && LISTS(lines));
    const char *wrong[] = {"a;",     "b;",     "b;a;",     "a;b;a;", "a;b;b;", "a;b;c;c;",
                           "a;b;x;", "a;c;b;", "a;b;c;a;", "",       "a;b",    "a;;b;"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        lines[3].result = wrong[i];
        EXPECT(!LINEAR(lines));
        EXPECT(!LISTS(lines));
    }
}

TEST(lists_that_are_lost_doubled_or_reordered_are_caught)
{
    struct line lines[] = {{1, HISTORY_PUSH, "a", NULL, "1", OK_, 1, 2},
                           {2, HISTORY_PUSH, "ab", NULL, "", HISTORY_UNKNOWN, 1, 2},
                           {1, HISTORY_PUSH, "c", NULL, "3", OK_, 3, 4},
                           {3, HISTORY_RANGE, NULL, NULL, "a,ab,c", OK_, 7, 8}};
    EXPECT(LINEAR(lines) && LISTS(lines));
    const char *wrong[] = {"a,c", "ab,a,c", "a,ab", "a,ab,c,a", "a,ab,c,ab", "a,,c", "a,ab,c,d"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        lines[3].result = wrong[i];
        EXPECT(!LINEAR(lines));
        EXPECT(!LISTS(lines));
    }
    lines[2].result = "2";
    lines[3].result = "a,c";
    EXPECT(LINEAR(lines) && LISTS(lines));
    lines[2].result = "1";
    EXPECT(!LINEAR(lines) && !LISTS(lines));
}

TEST(a_list_needs_a_closing_read_after_all_its_updates)
{
    struct line lines[] = {{1, HISTORY_PUSH, "a", NULL, "1", OK_, 1, 5},
                           {2, HISTORY_RANGE, NULL, NULL, "a", OK_, 3, 6}};
    EXPECT(!LISTS(lines));
    lines[1].from = 6;
    lines[1].to = 7;
    EXPECT(LISTS(lines));
    lines[1].outcome = HISTORY_FAILED;
    EXPECT(!LISTS(lines));
}

TEST(a_stale_list_read_is_caught)
{
    struct line lines[] = {{1, HISTORY_PUSH, "a", NULL, "1", OK_, 1, 2},
                           {1, HISTORY_PUSH, "b", NULL, "2", OK_, 3, 4},
                           {2, HISTORY_RANGE, NULL, NULL, "a", OK_, 5, 6},
                           {2, HISTORY_RANGE, NULL, NULL, "a,b", OK_, 7, 8}};
    EXPECT(!LINEAR(lines));
    EXPECT(LISTS(lines)); /* The order is right: only time tells. */
    lines[2].from = 4;
    EXPECT(!LINEAR(lines));
    lines[2].from = 3;
    EXPECT(LINEAR(lines));
}

TEST(unknown_pushes_may_fill_a_gap_only_when_they_started_in_time)
{
    struct line lines[] = {{1, HISTORY_PUSH, "a", NULL, "", HISTORY_UNKNOWN, 1, 2},
                           {2, HISTORY_PUSH, "b", NULL, "2", OK_, 3, 4}};
    EXPECT(LINEAR(lines));
    lines[0].from = 5;
    lines[0].to = 6;
    EXPECT(!LINEAR(lines));
}

TEST(counters_add_up)
{
    struct line lines[] = {{1, HISTORY_INCR, "5", NULL, "5", OK_, 1, 2},
                           {1, HISTORY_INCR, "5", NULL, "", HISTORY_UNKNOWN, 3, 4},
                           {2, HISTORY_INCR, "5", NULL, "15", OK_, 5, 6},
                           {2, HISTORY_READ, NULL, NULL, "15", OK_, 7, 8}};
    EXPECT(LINEAR(lines));
    lines[2].result = "10";
    lines[3].result = "10";
    EXPECT(LINEAR(lines));
    const char *wrong[] = {"5", "20", "11", "", "x"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        lines[3].result = wrong[i];
        EXPECT(!LINEAR(lines));
    }
    lines[3].result = NULL;
    EXPECT(!LINEAR(lines));
    /* The unknown one came too late to explain what the third saw. */
    lines[2].result = "15";
    lines[3].result = "15";
    lines[1].from = 7;
    lines[1].to = 8;
    EXPECT(!LINEAR(lines));
}

TEST(counters_of_mixed_steps_and_mixed_keys_are_judged_too)
{
    const struct line mixed[] = {{1, HISTORY_INCR, "-3", NULL, "-3", OK_, 1, 2},
                                 {1, HISTORY_INCR, "7", NULL, "", HISTORY_UNKNOWN, 3, 4},
                                 {2, HISTORY_INCR, "1", NULL, "5", OK_, 5, 6},
                                 {2, HISTORY_READ, NULL, NULL, "5", OK_, 7, 8}};
    EXPECT(LINEAR(mixed));
    EXPECT(!linear(&mixed[1], 3));
    const struct line set[] = {{1, HISTORY_WRITE, "10", NULL, "", OK_, 1, 2},
                               {1, HISTORY_INCR, "1", NULL, "11", OK_, 3, 4},
                               {2, HISTORY_APPEND, "x", NULL, "3", OK_, 5, 6},
                               {2, HISTORY_READ, NULL, NULL, "11x", OK_, 7, 8}};
    EXPECT(LINEAR(set));
    EXPECT(linear(set, 2));
    EXPECT(!linear(&set[1], 3));
}

TEST(counters_of_several_steps_are_filled_up_by_whom_it_may_be)
{
    struct line lines[] = {{1, HISTORY_INCR, "4", NULL, "", HISTORY_UNKNOWN, 1, 2},
                           {2, HISTORY_INCR, "3", NULL, "", HISTORY_UNKNOWN, 1, 2},
                           {3, HISTORY_INCR, "2", NULL, "", HISTORY_UNKNOWN, 5, 6},
                           {4, HISTORY_INCR, "1", NULL, "6", OK_, 3, 8},
                           {5, HISTORY_READ, NULL, NULL, "10", OK_, 9, 10}};
    EXPECT(LINEAR(lines)); /* 3 and 2 before the known one, 4 after it. */
    lines[2].from = 9;
    EXPECT(!LINEAR(lines)); /* Now the 2 comes too late: nothing else makes up 5. */
    lines[2].from = 5;
    lines[4].result = "13";
    EXPECT(!LINEAR(lines)); /* There are but 10 in all. */
    lines[4].result = "8";
    EXPECT(!LINEAR(lines)); /* The 2 is used already. */
    lines[4].result = "6";
    EXPECT(LINEAR(lines));
    lines[4].result = "5"; /* A part of the known one. */
    lines[4].from = 4;
    EXPECT(LINEAR(lines)); /* Just before it. */
    lines[2].from = 6;
    lines[4].to = 5;
    EXPECT(!LINEAR(lines)); /* The 2 has not started then. */
}

TEST(a_small_budget_leaves_a_key_undecided_instead_of_wrong)
{
    struct line lines[13]; /* The APPEND makes it a mixture, which only a search can judge. */
    lines[12] = (struct line){12, HISTORY_APPEND, "m;", NULL, "3", HISTORY_OK, 200, 201};
    for (size_t i = 0; i + 1 < COUNT(lines); i++) {
        static const char *const values[] = {"a", "b", "c", "d", "e", "f",
                                             "g", "h", "i", "j", "k", "l"};
        lines[i] = (struct line){(uint32_t)i, HISTORY_WRITE, values[i], NULL,
                                 "",          HISTORY_OK,    1 + i,     100 + i};
    }
    struct history *history = history_of(lines, COUNT(lines));
    const struct verdict verdict = history_check_linearizable(history, 3);
    EXPECT(verdict.ok && verdict.undecided == 1 && verdict.reason[0] != 0);
    EXPECT(history_check_linearizable(history, 0).ok);
    EXPECT(history_check_linearizable(history, 0).undecided == 0);
    history_free(history);
}

TEST(a_history_survives_saving_and_reading)
{
    struct history *history = history_new();
    const uint8_t odd[] = {0, '%', ' ', '\n', 255, 'a', '!'};
    struct history_call call = {.client = 7,
                                .kind = HISTORY_CAS,
                                .key = bytes_of(odd, sizeof odd),
                                .argument = text(""),
                                .expected = text("%")};
    size_t number = history_invoke(history, &call, 5);
    history_return(history, number, HISTORY_OK, false, text("1"), 9);
    call.kind = HISTORY_READ;
    number = history_invoke(history, &call, 10);
    (void)history_invoke(history, &call, 11);
    history_return(history, number, HISTORY_UNKNOWN, true, text(NULL), 12);
    struct buf first = {0};
    history_write(history, &first);
    struct history *back = history_read(buf_bytes(&first));
    EXPECT(back != NULL && history_count(back) == 3);
    struct buf second = {0};
    history_write(back, &second);
    EXPECT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    buf_deinit(&first);
    buf_deinit(&second);
    history_free(history);
    history_free(back);
}

TEST(malformed_histories_are_refused)
{
    const char *wrong[] = {"",
                           "quorate-history 2\n",
                           "quorate-history 1\nx",
                           "quorate-history 1\n1 read ok 0 k % % v 1 2 3\n",
                           "quorate-history 1\n1 read ok 0 k % % v 1 2 3 4 5\n",
                           "quorate-history 1\n1 look ok 0 k % % v 1 2 3 4\n",
                           "quorate-history 1\n1 read fine 0 k % % v 1 2 3 4\n",
                           "quorate-history 1\n1 read ok 2 k % % v 1 2 3 4\n",
                           "quorate-history 1\n1 read ok 0 k %1 % v 1 2 3 4\n",
                           "quorate-history 1\n1 read ok 0 k % % v 1 2 3 -4\n",
                           "quorate-history 1\n1 read ok 0 k % % v 1 2 3 4"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        EXPECT(history_read(text(wrong[i])) == NULL);
    }
    struct history *fine = history_read(text("quorate-history 1\n1 read ok 0 k % % v 1 2 3 4\n"));
    EXPECT(fine != NULL && history_count(fine) == 1);
    history_free(fine);
}

TEST_MAIN(CASE(an_empty_history_is_fine),
          CASE(a_stale_read_is_caught),
          CASE(a_lost_write_is_caught),
          CASE(a_read_from_the_future_is_caught),
          CASE(a_value_nobody_wrote_is_caught),
          CASE(an_aborted_read_is_caught_by_both_judges),
          CASE(reads_that_disagree_about_the_order_of_two_writes_are_caught),
          CASE(cas_must_agree_with_the_value),
          CASE(delete_must_agree_with_the_value),
          CASE(unknown_operations_may_take_effect_late_once_or_never),
          CASE(returns_and_invocations_of_one_moment_keep_the_recorded_order),
          CASE(appends_that_are_lost_or_doubled_are_caught),
          CASE(lists_that_are_lost_doubled_or_reordered_are_caught),
          CASE(a_list_needs_a_closing_read_after_all_its_updates),
          CASE(a_stale_list_read_is_caught),
          CASE(unknown_pushes_may_fill_a_gap_only_when_they_started_in_time),
          CASE(counters_add_up),
          CASE(counters_of_mixed_steps_and_mixed_keys_are_judged_too),
          CASE(counters_of_several_steps_are_filled_up_by_whom_it_may_be),
          CASE(a_small_budget_leaves_a_key_undecided_instead_of_wrong),
          CASE(a_history_survives_saving_and_reading),
          CASE(malformed_histories_are_refused))
