/* server/log_thread: one job at a time, off the loop's thread, and its result comes back to it. */
#include "harness/test.h"
#include "net/loop.h"
#include "server/log_thread.h"

#include <pthread.h>
#include <unistd.h>

struct bench {
    struct loop *loop;
    struct log_thread *thread;
    pthread_t loop_thread;
    int jobs; /* Worked. */
    int dones;
    int chain;  /* How many more to start from within `done`. */
    int result; /* What work returns. */
    int last_result;
    bool worked_elsewhere;
    bool done_here;
};

static int work(void *context)
{
    struct bench *bench = context;
    (void)usleep(2000);
    bench->jobs++;
    bench->worked_elsewhere = !pthread_equal(pthread_self(), bench->loop_thread);
    return bench->result;
}

static void done(void *context, int result)
{
    struct bench *bench = context;
    bench->dones++;
    bench->last_result = result;
    bench->done_here = pthread_equal(pthread_self(), bench->loop_thread);
    if (bench->chain > 0) {
        bench->chain--;
        log_thread_start(bench->thread);
    }
}

static void no_turn(void *context)
{
    (void)context;
}

static uint64_t no_deadline(void *context)
{
    (void)context;
    return LOOP_NO_DEADLINE;
}

static void start(struct bench *bench)
{
    *bench = (struct bench){.loop_thread = pthread_self()};
    const struct loop_owner owner = {bench, no_turn, no_deadline};
    bench->loop = loop_new(&owner);
    const struct log_thread_owner log_owner = {bench, work, done};
    bench->thread = log_thread_new(bench->loop, &log_owner);
}

TEST(jobs_run_off_the_loop_and_can_be_chained_from_their_completion)
{
    struct bench bench;
    start(&bench);
    bench.chain = 9;
    bench.result = -9;
    log_thread_start(bench.thread);
    EXPECT(log_thread_is_busy(bench.thread));
    for (int i = 0; i < 200 && bench.dones < 10; i++) {
        loop_run_once(bench.loop, 50);
    }
    EXPECT(bench.dones == 10 && bench.jobs == 10);
    EXPECT(bench.worked_elsewhere && bench.done_here);
    EXPECT(bench.last_result == -9);
    EXPECT(!log_thread_is_busy(bench.thread));
    int result = 0;
    EXPECT(!log_thread_close(bench.thread, &result));
    loop_free(bench.loop);
}

TEST(closing_waits_for_the_job_under_way_and_hands_out_its_result)
{
    struct bench bench;
    start(&bench);
    bench.result = -10;
    log_thread_start(bench.thread);
    int result = 0;
    EXPECT(log_thread_close(bench.thread, &result));
    EXPECT(result == -10 && bench.jobs == 1);
    loop_free(bench.loop);
    EXPECT(bench.dones == 0);
}

TEST_MAIN(CASE(jobs_run_off_the_loop_and_can_be_chained_from_their_completion),
          CASE(closing_waits_for_the_job_under_way_and_hands_out_its_result))
