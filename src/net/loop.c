#include "net/loop.h"

#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/heap.h"

#include <stdbool.h>

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_timer_t deadline;
    uv_timer_t once; /* Bounds loop_run_once. */
    uv_idle_t again;
    struct loop_owner owner;
    struct list marked[LOOP_QUEUE_COUNT];
    uint64_t armed_for_ms; /* What `deadline` is set to; LOOP_NO_DEADLINE: stopped. */
};

/* The prepare hook that follows every timer does the work; a timer only ends the sleep. */
static void wake_up(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    if (timer == &loop->deadline) {
        loop->armed_for_ms = LOOP_NO_DEADLINE;
    }
}

static void stop_idling(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle);
}

static void arm(struct loop *loop)
{
    const uint64_t deadline_ms = loop->owner.next_deadline(loop->owner.context);
    if (deadline_ms == loop->armed_for_ms) {
        return;
    }
    loop->armed_for_ms = deadline_ms;
    if (deadline_ms == LOOP_NO_DEADLINE) {
        (void)uv_timer_stop(&loop->deadline);
        return;
    }
    const uint64_t now_ms = clock_monotonic_ms();
    /* libuv's idea of now is that of the beginning of the turn, which may be long ago. */
    uv_update_time(&loop->uv);
    const uint64_t delay_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    Q_CHECK(uv_timer_start(&loop->deadline, wake_up, delay_ms, 0) == 0);
}

static void flush(struct list *marked)
{
    /* What a flush marks again belongs to the next turn, else two busy ends could pin the loop. */
    struct list now;
    list_init(&now);
    while (!list_is_empty(marked)) {
        struct list *link = list_first(marked);
        list_remove(link);
        list_append(&now, link);
    }
    while (!list_is_empty(&now)) {
        struct list *link = list_first(&now);
        list_remove(link);
        struct loop_work *work = LIST_ITEM(link, struct loop_work, link);
        work->flush(work);
    }
}

static void end_turn(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    loop->owner.turn(loop->owner.context);
    for (int queue = 0; queue < LOOP_QUEUE_COUNT; queue++) {
        flush(&loop->marked[queue]);
    }
    for (int queue = 0; queue < LOOP_QUEUE_COUNT; queue++) {
        if (!list_is_empty(&loop->marked[queue])) {
            loop_again(loop);
        }
    }
    arm(loop);
}

struct loop *loop_new(const struct loop_owner *owner)
{
    struct loop *loop = heap_alloc(sizeof *loop);
    loop->owner = *owner;
    loop->armed_for_ms = LOOP_NO_DEADLINE;
    for (int queue = 0; queue < LOOP_QUEUE_COUNT; queue++) {
        list_init(&loop->marked[queue]);
    }
    /* Fails only without memory or descriptors; then there is nothing to run on. */
    Q_CHECK(uv_loop_init(&loop->uv) == 0);
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    (void)uv_timer_init(&loop->uv, &loop->deadline);
    (void)uv_timer_init(&loop->uv, &loop->once);
    (void)uv_idle_init(&loop->uv, &loop->again);
    loop->prepare.data = loop;
    loop->deadline.data = loop;
    loop->once.data = loop;
    (void)uv_prepare_start(&loop->prepare, end_turn);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->deadline, NULL);
    uv_close((uv_handle_t *)&loop->once, NULL);
    uv_close((uv_handle_t *)&loop->again, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    Q_CHECK(uv_loop_close(&loop->uv) == 0);
    heap_free(loop);
}

void loop_run(struct loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_run_once(struct loop *loop, uint32_t wait_ms)
{
    uv_update_time(&loop->uv);
    /* It repeats because it may be due before the loop goes to sleep, which would then be for ever.
     */
    Q_CHECK(uv_timer_start(&loop->once, wake_up, wait_ms, wait_ms > 0 ? wait_ms : 1) == 0);
    (void)uv_run(&loop->uv, UV_RUN_ONCE);
    (void)uv_timer_stop(&loop->once);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_work_init(struct loop_work *work, void (*flush_function)(struct loop_work *work))
{
    list_init(&work->link);
    work->flush = flush_function;
}

void loop_mark(struct loop *loop, enum loop_queue queue, struct loop_work *work)
{
    if (list_is_empty(&work->link)) {
        list_append(&loop->marked[queue], &work->link);
    }
}

void loop_unmark(struct loop_work *work)
{
    list_remove(&work->link);
}

void loop_again(struct loop *loop)
{
    (void)uv_idle_start(&loop->again, stop_idling);
}
