/* A node that only keeps what it is given: tests decide when, in which order and how it answers.
 *
 * Defines the four node functions the front calls; the linker then has no reason to pull the real
 * node.c out of its library. Include it in exactly one file of an executable.
 */
#ifndef Q_TESTS_UNIT_FRONT_FAKE_NODE_H
#define Q_TESTS_UNIT_FRONT_FAKE_NODE_H

#include "base/os/heap.h"
#include "front/session.h"
#include "harness/test.h"
#include "node/reply.h"

#include <string.h>

#define FAKE_REQUESTS_MAX 4096

struct fake_request {
    struct node_request *request; /* NULL once answered or cancelled. */
    struct request copy;          /* Arguments and id were copied out of the borrowed ones. */
    struct bytes args[16];
};

struct node {
    struct fake_request requests[FAKE_REQUESTS_MAX];
    size_t submitted;
    size_t cancelled;
    bool answers_at_once; /* OK, from within node_submit. */
    struct node_status status;
};

static inline struct bytes fake_copy(struct bytes bytes)
{
    uint8_t *copy = heap_alloc_raw(bytes.size + 1);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return bytes_of(copy, bytes.size);
}

static inline void fake_release(struct node *node)
{
    for (size_t i = 0; i < node->submitted; i++) {
        for (size_t j = 0; j < 16; j++) {
            heap_free((void *)(uintptr_t)node->requests[i].args[j].data);
        }
        heap_free((void *)(uintptr_t)node->requests[i].copy.request_id.data);
    }
}

/* Answers request number `index`, counted from 0 in the order of submission. */
static inline void fake_answer(struct node *node, size_t index, const struct buf *reply)
{
    REQUIRE(index < node->submitted && node->requests[index].request != NULL);
    struct node_request *request = node->requests[index].request;
    node->requests[index].request = NULL;
    if (request != NULL) {
        request->done(request, buf_bytes(reply));
    }
}

static inline void fake_answer_text(struct node *node, size_t index, const char *text)
{
    struct buf reply = {0};
    reply_bulk(&reply, bytes_of_text(text));
    fake_answer(node, index, &reply);
    buf_deinit(&reply);
}

static inline void fake_answer_status(struct node *node, size_t index, const char *text)
{
    struct buf reply = {0};
    reply_status(&reply, text);
    fake_answer(node, index, &reply);
    buf_deinit(&reply);
}

void node_submit(struct node *node, struct node_request *request)
{
    REQUIRE(node->submitted < FAKE_REQUESTS_MAX);
    struct fake_request *fake = &node->requests[node->submitted++];
    fake->request = request;
    fake->copy = request->request;
    fake->copy.request_id = fake_copy(request->request.request_id);
    for (size_t i = 0; i < request->request.arg_count && i < 16; i++) {
        fake->args[i] = fake_copy(request->request.args[i]);
    }
    fake->copy.args = fake->args;
    if (node->answers_at_once) {
        fake_answer_status(node, node->submitted - 1, "OK");
    }
}

void node_cancel(struct node *node, struct node_request *request)
{
    for (size_t i = 0; i < node->submitted; i++) {
        if (node->requests[i].request == request) {
            node->requests[i].request = NULL;
            node->cancelled++;
            return;
        }
    }
    REQUIRE(false);
}

void node_status(const struct node *node, struct node_status *out_status)
{
    *out_status = node->status;
}

static inline uint64_t fake_monotonic_ms(void *context)
{
    (void)context;
    return 5000;
}

static inline uint64_t fake_wall_ms(void *context)
{
    (void)context;
    return 1700000000123;
}

/* A front with one session on a fake node. */
struct bench {
    struct node node;
    struct env env;
    struct front front;
    struct session *session;
    size_t wakes;
};

static inline void bench_wake(void *context, struct session *session)
{
    struct bench *bench = context;
    REQUIRE(session != NULL);
    bench->wakes++;
}

static inline struct session *bench_session(struct bench *bench, enum session_kind kind)
{
    return session_new(&bench->front, kind, "127.0.0.1:5000", bench_wake, bench);
}

static inline struct bench *bench_new(enum session_kind kind)
{
    struct bench *bench = heap_alloc(sizeof *bench);
    bench->env.monotonic_ms = fake_monotonic_ms;
    bench->env.wall_ms = fake_wall_ms;
    bench->front.node = &bench->node;
    bench->front.env = &bench->env;
    bench->front.port = 7480;
    bench->front.value_size_max = VALUE_SIZE_DEFAULT;
    bench->front.data_directory = "/data";
    memset(bench->front.run_id, 'a', 40);
    bench->session = bench_session(bench, kind);
    return bench;
}

static inline void bench_free(struct bench *bench)
{
    session_free(bench->session);
    REQUIRE(bench->front.session_count == 0);
    fake_release(&bench->node);
    heap_free(bench);
}

static inline void bench_send_bytes(struct bench *bench, const void *data, size_t size)
{
    memcpy(session_input_reserve(bench->session, size), data, size);
    session_input_added(bench->session, size);
}

static inline void bench_send(struct bench *bench, const char *text)
{
    bench_send_bytes(bench, text, strlen(text));
}

/* Compares everything written so far with `text`, and takes it. */
static inline bool bench_got(struct bench *bench, const char *text)
{
    struct buf *output = session_output(bench->session);
    const struct bytes got = buf_bytes(output);
    const bool same = bytes_equal(got, bytes_of_text(text));
    if (!same) {
        print_message("got: %.*s\n", (int)got.size, (const char *)got.data);
    }
    buf_clear(output);
    return same;
}

/* Sends a command and compares its reply. */
static inline bool bench_says(struct bench *bench, const char *command, const char *reply)
{
    bench_send(bench, command);
    return bench_got(bench, reply);
}

#endif
