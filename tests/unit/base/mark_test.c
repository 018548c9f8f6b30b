/* base/mark: what was reached is known, and nothing else. */
#include "base/mark.h"
#include "harness/test.h"

#include <string.h>

static size_t count_reached(void)
{
    bool reached[MARK_COUNT];
    marks_read(reached);
    size_t count = 0;
    for (size_t i = 0; i < MARK_COUNT; i++) {
        count += reached[i];
    }
    return count;
}

TEST(a_mark_is_reached_once_it_was_passed_and_until_all_are_cleared)
{
    marks_clear();
    EXPECT(count_reached() == 0);
    Q_MARK(RAFT_CONFLICT);
    Q_MARK(RAFT_CONFLICT);
    bool reached[MARK_COUNT];
    marks_read(reached);
    EXPECT(reached[MARK_RAFT_CONFLICT]);
    EXPECT(count_reached() == 1);
    marks_clear();
    EXPECT(count_reached() == 0);
}

TEST(a_conditional_mark_is_reached_only_when_its_condition_holds)
{
    marks_clear();
    Q_MARK_IF(RAFT_CHECK_QUORUM, 1 + 1 == 3);
    EXPECT(count_reached() == 0);
    Q_MARK_IF(RAFT_CHECK_QUORUM, 1 + 1 == 2);
    EXPECT(count_reached() == 1);
}

TEST(there_are_a_hundred_marks_and_each_has_a_name_of_its_own_and_a_meaning)
{
    EXPECT(MARK_COUNT >= 100);
    for (size_t i = 0; i < MARK_COUNT; i++) {
        EXPECT(strlen(mark_text((enum mark)i)) > 10);
        for (size_t j = 0; j < i; j++) {
            EXPECT(strcmp(mark_name((enum mark)i), mark_name((enum mark)j)) != 0);
        }
    }
}

TEST_MAIN(CASE(a_mark_is_reached_once_it_was_passed_and_until_all_are_cleared),
          CASE(a_conditional_mark_is_reached_only_when_its_condition_holds),
          CASE(there_are_a_hundred_marks_and_each_has_a_name_of_its_own_and_a_meaning))
