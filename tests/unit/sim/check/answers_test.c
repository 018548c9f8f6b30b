/* sim/check: the checkers about answers to clients fire on what they are for. */
#include "harness/test.h"
#include "sim/check/checks.h"

#include <string.h>

static bool growing(const char *seen, const char *closing)
{
    struct violation violation = {0};
    check_local_growing(&violation, "a0", bytes_of_text(seen), bytes_of_text(closing));
    return !violation.found;
}

static bool counter(const char *seen, const char *closing)
{
    struct violation violation = {0};
    check_local_counter(&violation, "c0", bytes_of_text(seen), bytes_of_text(closing));
    return !violation.found;
}

TEST(a_local_read_may_be_old_but_never_wrong)
{
    EXPECT(growing("", "v1.v2."));
    EXPECT(growing("v1.", "v1.v2."));
    EXPECT(growing("v1.,v2.", "v1.,v2.,v3."));
    EXPECT(growing("v1.v2.", "v1.v2."));
    EXPECT(!growing("v2.", "v1.v2."));
    EXPECT(!growing("v1.v2.v3.", "v1.v2."));
    EXPECT(!growing("v1", "v1.v2.")); /* A part of an element. */
    EXPECT(counter("0", "") && counter("7", "7") && counter("3", "7"));
    EXPECT(!counter("8", "7") && !counter("-1", "7") && !counter("x", "7"));
    struct violation violation = {0};
    check_local_register(&violation, "r0", bytes_of_text("v1."), true);
    EXPECT(!violation.found);
    check_local_register(&violation, "r0", bytes_of_text("v1."), false);
    EXPECT(violation.found);
}

TEST(the_repeat_of_a_request_is_answered_as_the_first_time)
{
    struct violation violation = {0};
    check_repeat(&violation, bytes_of_text("id"), bytes_of_text("7"), bytes_of_text("7"));
    EXPECT(!violation.found);
    check_repeat(&violation, bytes_of_text("id"), bytes_of_text("7"), bytes_of_text("8"));
    EXPECT(violation.found && strcmp(violation.checker, "exactly_once") == 0);
}

TEST(a_read_joins_no_round_that_was_sent_before_it_came)
{
    struct violation violation = {0};
    struct oracle oracle = {.violation = &violation};
    struct mirror mirror = {.id = 1,
                            .role = RAFT_LEADER,
                            .role_before = RAFT_LEADER,
                            .term = 3,
                            .term_before = 3,
                            .round_sent = 7,
                            .round_waiting = 2};
    check_reads(&oracle, &mirror, 8, 1, 4); /* One confirmed; three more wait for round 8. */
    EXPECT(!violation.found && mirror.round_sent == 8 && mirror.round_waiting == 4);
    check_reads(&oracle, &mirror, 8, 5, 5);
    EXPECT(violation.found && strcmp(violation.checker, "reads") == 0);
}

TEST(only_the_first_violation_is_kept)
{
    struct violation violation = {0};
    violation_report(&violation, "first", "%d", 1);
    violation_report(&violation, "second", "%d", 2);
    EXPECT(strcmp(violation.checker, "first") == 0 && strcmp(violation.reason, "1") == 0);
}

TEST_MAIN(CASE(a_local_read_may_be_old_but_never_wrong),
          CASE(the_repeat_of_a_request_is_answered_as_the_first_time),
          CASE(a_read_joins_no_round_that_was_sent_before_it_came),
          CASE(only_the_first_violation_is_kept))
