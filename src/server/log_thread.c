#include "server/log_thread.h"

#include "base/check.h"
#include "base/os/heap.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A semaphore one way, an eventfd the other: one futex call and one write per job. A mutex held
 * around uv_async_send made the woken loop wait for it, and uv_async itself spins until its sender
 * is done; on a busy machine that sender has just been put to sleep. */
struct log_thread {
    struct log_thread_owner owner;
    pthread_t thread;
    sem_t start; /* Posted once per job, and once to end. */
    int done_fd; /* Owned. Readable when a job is done. */
    uv_poll_t poll;
    atomic_bool is_done; /* `result` is there: released by the thread, acquired by the loop. */
    atomic_bool ends;
    int result;
    bool is_busy; /* The loop's thread alone. */
};

static void *run(void *memory)
{
    struct log_thread *thread = memory;
    for (;;) {
        while (sem_wait(&thread->start) != 0) {
            Q_CHECK(errno == EINTR);
        }
        if (atomic_load(&thread->ends)) {
            return NULL;
        }
        thread->result = thread->owner.work(thread->owner.context);
        atomic_store(&thread->is_done, true);
        const uint64_t one = 1;
        /* Fails only when the counter is full, which one job at a time cannot do. */
        Q_CHECK(write(thread->done_fd, &one, sizeof one) == (ssize_t)sizeof one);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct log_thread *thread = poll->data;
    uint64_t count = 0;
    if (read(thread->done_fd, &count, sizeof count) != (ssize_t)sizeof count ||
        !atomic_exchange(&thread->is_done, false)) {
        return;
    }
    thread->is_busy = false;
    thread->owner.done(thread->owner.context, thread->result);
}

struct log_thread *log_thread_new(struct loop *loop, const struct log_thread_owner *owner)
{
    struct log_thread *thread = heap_alloc(sizeof *thread);
    thread->owner = *owner;
    thread->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* All of this is at start: without a descriptor or a thread the machine is not usable. */
    Q_CHECK(thread->done_fd >= 0);
    Q_CHECK(sem_init(&thread->start, 0, 0) == 0);
    Q_CHECK(uv_poll_init(loop_uv(loop), &thread->poll, thread->done_fd) == 0);
    thread->poll.data = thread;
    Q_CHECK(uv_poll_start(&thread->poll, UV_READABLE, on_readable) == 0);
    /* Signals are the loop's to handle. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&thread->thread, NULL, run, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    Q_CHECK(result == 0);
    return thread;
}

void log_thread_start(struct log_thread *thread)
{
    Q_CHECK(!thread->is_busy);
    thread->is_busy = true;
    Q_CHECK(sem_post(&thread->start) == 0);
}

bool log_thread_is_busy(const struct log_thread *thread)
{
    return thread->is_busy;
}

static void poll_closed(uv_handle_t *handle)
{
    struct log_thread *thread = handle->data;
    (void)close(thread->done_fd);
    (void)sem_destroy(&thread->start);
    heap_free(thread);
}

bool log_thread_close(struct log_thread *thread, int *out_result)
{
    /* The job under way is finished first: only then does the thread look at the semaphore. */
    while (thread->is_busy && !atomic_load(&thread->is_done)) {
        (void)usleep(1000);
    }
    atomic_store(&thread->ends, true);
    Q_CHECK(sem_post(&thread->start) == 0);
    (void)pthread_join(thread->thread, NULL);
    const bool was_busy = thread->is_busy;
    if (was_busy) {
        *out_result = thread->result;
    }
    uv_close((uv_handle_t *)&thread->poll, poll_closed);
    return was_busy;
}
