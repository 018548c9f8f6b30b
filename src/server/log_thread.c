#include "server/log_thread.h"

#include "base/check.h"
#include "base/os/heap.h"

#include <pthread.h>
#include <signal.h>

enum job { JOB_NONE, JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct log_thread {
    struct log_thread_owner owner;
    pthread_t thread;
    uv_async_t async;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by the mutex from here. */
    enum job job;
    bool ends;
    int result;
    /* The loop's thread alone. */
    bool is_busy;
};

static void *run(void *memory)
{
    struct log_thread *thread = memory;
    (void)pthread_mutex_lock(&thread->mutex);
    for (;;) {
        while (thread->job != JOB_WAITING && !thread->ends) {
            (void)pthread_cond_wait(&thread->changed, &thread->mutex);
        }
        if (thread->job != JOB_WAITING) {
            break;
        }
        thread->job = JOB_RUNNING;
        (void)pthread_mutex_unlock(&thread->mutex);
        const int result = thread->owner.work(thread->owner.context);
        (void)pthread_mutex_lock(&thread->mutex);
        thread->result = result;
        thread->job = JOB_DONE;
        (void)uv_async_send(&thread->async);
    }
    (void)pthread_mutex_unlock(&thread->mutex);
    return NULL;
}

static void on_async(uv_async_t *async)
{
    struct log_thread *thread = async->data;
    (void)pthread_mutex_lock(&thread->mutex);
    const bool is_done = thread->job == JOB_DONE;
    const int result = thread->result;
    if (is_done) {
        thread->job = JOB_NONE;
    }
    (void)pthread_mutex_unlock(&thread->mutex);
    if (is_done) {
        thread->is_busy = false;
        thread->owner.done(thread->owner.context, result);
    }
}

struct log_thread *log_thread_new(struct loop *loop, const struct log_thread_owner *owner)
{
    struct log_thread *thread = heap_alloc(sizeof *thread);
    thread->owner = *owner;
    Q_CHECK(pthread_mutex_init(&thread->mutex, NULL) == 0);
    Q_CHECK(pthread_cond_init(&thread->changed, NULL) == 0);
    Q_CHECK(uv_async_init(loop_uv(loop), &thread->async, on_async) == 0);
    thread->async.data = thread;
    /* Signals are the loop's to handle. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&thread->thread, NULL, run, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    Q_CHECK(result == 0); /* At start, with one thread: the machine is not usable. */
    return thread;
}

void log_thread_start(struct log_thread *thread)
{
    (void)pthread_mutex_lock(&thread->mutex);
    Q_CHECK(thread->job == JOB_NONE);
    thread->job = JOB_WAITING;
    (void)pthread_cond_signal(&thread->changed);
    (void)pthread_mutex_unlock(&thread->mutex);
    thread->is_busy = true;
}

bool log_thread_is_busy(const struct log_thread *thread)
{
    return thread->is_busy;
}

static void async_closed(uv_handle_t *handle)
{
    struct log_thread *thread = handle->data;
    (void)pthread_cond_destroy(&thread->changed);
    (void)pthread_mutex_destroy(&thread->mutex);
    heap_free(thread);
}

bool log_thread_close(struct log_thread *thread, int *out_result)
{
    (void)pthread_mutex_lock(&thread->mutex);
    thread->ends = true;
    (void)pthread_cond_signal(&thread->changed);
    (void)pthread_mutex_unlock(&thread->mutex);
    (void)pthread_join(thread->thread, NULL);
    const bool was_busy = thread->is_busy;
    if (was_busy) {
        *out_result = thread->result; /* The thread is gone: nobody else touches it. */
    }
    uv_close((uv_handle_t *)&thread->async, async_closed);
    return was_busy;
}
