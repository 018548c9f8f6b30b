/* net/loop: turns come after every event, at deadlines, and what is marked is flushed once. */
#include "base/os/clock.h"
#include "harness/test.h"
#include "net/loop.h"

struct clockwork {
    struct loop *loop;
    size_t turns;
    uint64_t deadline_ms;
    struct loop_work work;
    size_t flushes;
    size_t mark_again;
    char order[8];
    size_t ordered;
};

static void turn(void *context)
{
    struct clockwork *clockwork = context;
    clockwork->turns++;
}

static uint64_t next_deadline(void *context)
{
    return ((struct clockwork *)context)->deadline_ms;
}

static void flush(struct loop_work *work)
{
    struct clockwork *clockwork = LIST_ITEM(work, struct clockwork, work);
    clockwork->flushes++;
    if (clockwork->mark_again > 0) {
        clockwork->mark_again--;
        loop_mark(clockwork->loop, LOOP_CLIENTS, work);
    }
}

static void start(struct clockwork *clockwork)
{
    *clockwork = (struct clockwork){.deadline_ms = LOOP_NO_DEADLINE};
    const struct loop_owner owner = {clockwork, turn, next_deadline};
    clockwork->loop = loop_new(&owner);
    loop_work_init(&clockwork->work, flush);
}

TEST(a_deadline_brings_a_turn_and_no_earlier)
{
    struct clockwork clockwork;
    start(&clockwork);
    clockwork.deadline_ms = clock_monotonic_ms() + 40;
    const uint64_t began_ms = clock_monotonic_ms();
    loop_run_once(clockwork.loop, 1000); /* The turn, then sleeps till the deadline. */
    EXPECT(clockwork.turns == 1);
    const uint64_t slept_ms = clock_monotonic_ms() - began_ms;
    EXPECT(slept_ms >= 38 && slept_ms < 500);
    clockwork.deadline_ms = LOOP_NO_DEADLINE;
    loop_run_once(clockwork.loop, 0);
    EXPECT(clockwork.turns == 2);
    loop_free(clockwork.loop);
}

TEST(work_marked_twice_is_flushed_once_and_unmarked_work_never)
{
    struct clockwork clockwork;
    start(&clockwork);
    loop_mark(clockwork.loop, LOOP_CLIENTS, &clockwork.work);
    loop_mark(clockwork.loop, LOOP_CLIENTS, &clockwork.work);
    loop_run_once(clockwork.loop, 0);
    EXPECT(clockwork.flushes == 1);
    loop_mark(clockwork.loop, LOOP_CLIENTS, &clockwork.work);
    loop_unmark(&clockwork.work);
    loop_run_once(clockwork.loop, 0);
    EXPECT(clockwork.flushes == 1);
    loop_free(clockwork.loop);
}

/* A flush that makes new work must not wait for the next socket event. */
TEST(work_marked_while_flushing_is_flushed_in_the_next_turn_without_sleep)
{
    struct clockwork clockwork;
    start(&clockwork);
    clockwork.mark_again = 3;
    loop_mark(clockwork.loop, LOOP_CLIENTS, &clockwork.work);
    const uint64_t began_ms = clock_monotonic_ms();
    for (int i = 0; i < 4; i++) {
        loop_run_once(clockwork.loop, i < 3 ? 2000 : 0);
        EXPECT(clockwork.flushes == (size_t)i + 1);
    }
    EXPECT(clock_monotonic_ms() - began_ms < 500);
    loop_free(clockwork.loop);
}

TEST_MAIN(CASE(a_deadline_brings_a_turn_and_no_earlier),
          CASE(work_marked_twice_is_flushed_once_and_unmarked_work_never),
          CASE(work_marked_while_flushing_is_flushed_in_the_next_turn_without_sleep))
