/* libFuzzer target: a whole RESP or HTTP conversation over a node that answers in any order.
 *
 * The input is served once in one piece by a node that answers at once, and once in random pieces
 * by a node that answers late and in random order: the client must read the same bytes. (Except
 * where a command tells sizes of buffers or what is in flight.)
 */
#include "base/check.h"
#include "base/prng.h"
#include "front/session.h"
#include "node/reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPEN_MAX (SESSION_PIPELINE_MAX + 1)

struct node {
    struct prng prng;
    bool answers_at_once;
    struct node_request *open[OPEN_MAX];
    struct buf replies[OPEN_MAX];
    size_t open_count;
};

/* A reply that depends on the request alone, of every shape there is. */
static void make_reply(const struct request *request, struct buf *out)
{
    if (request->op == OP_NOTHING) {
        reply_status(out, "OK");
    } else if (request->op == OP_SCAN) {
        reply_array(out, 2);
        reply_integer(out, request->a);
        reply_array(out, 0);
    } else if (request->arg_count == 0) {
        reply_nil(out);
    } else if (op_writes(request->op)) {
        reply_integer(out, (int64_t)request->arg_count + request->a / 2);
    } else {
        reply_array(out, request->arg_count);
        for (size_t i = 0; i < request->arg_count; i++) {
            reply_bulk(out, request->args[i]);
        }
    }
}

static void answer(struct node *node, size_t index)
{
    struct node_request *request = node->open[index];
    struct buf reply = node->replies[index];
    node->open_count--;
    node->open[index] = node->open[node->open_count];
    node->replies[index] = node->replies[node->open_count];
    request->done(request, buf_bytes(&reply));
    buf_deinit(&reply);
}

void node_submit(struct node *node, struct node_request *request)
{
    Q_CHECK(node->open_count < OPEN_MAX);
    const size_t index = node->open_count++;
    node->open[index] = request;
    node->replies[index] = (struct buf){0};
    make_reply(&request->request, &node->replies[index]);
    if (node->answers_at_once) {
        answer(node, index);
    }
}

void node_cancel(struct node *node, struct node_request *request)
{
    for (size_t i = 0; i < node->open_count; i++) {
        if (node->open[i] == request) {
            node->open_count--;
            buf_deinit(&node->replies[i]);
            node->open[i] = node->open[node->open_count];
            node->replies[i] = node->replies[node->open_count];
            return;
        }
    }
    Q_CHECK(false);
}

void node_status(const struct node *node, struct node_status *out_status)
{
    (void)node;
    *out_status = (struct node_status){.self = 1, .booted = true, .leader = 1, .peer_count = 1};
    out_status->peers[0].id = 1;
}

static uint64_t fixed_ms(void *context)
{
    (void)context;
    return 1700000000000;
}

static void no_wake(void *context, struct session *session)
{
    (void)context;
    (void)session;
}

/* The owner's part: take the output, let the session go on, answer something. False when nothing
 * moved any more. */
static bool turn(struct node *node, struct session *session, struct buf *written)
{
    struct buf *output = session_output(session);
    const bool moved = buf_size(output) > 0 || node->open_count > 0;
    buf_append(written, buf_bytes(output));
    buf_clear(output);
    if (node->open_count > 0) {
        answer(node, (size_t)prng_below(&node->prng, node->open_count));
    }
    session_resume(session);
    return moved;
}

static void converse(struct node *node,
                     enum session_kind kind,
                     struct bytes in,
                     struct buf *written)
{
    static const struct env env = {.monotonic_ms = fixed_ms, .wall_ms = fixed_ms};
    struct front front = {.node = node, .env = &env, .value_size_max = 1000, .run_id = "0"};
    struct session *session = session_new(&front, kind, "peer", no_wake, NULL);
    size_t given = 0;
    while (given < in.size && !session_wants_close(session)) {
        if (session_is_full(session)) {
            Q_CHECK(turn(node, session, written));
            continue;
        }
        const size_t left = in.size - given;
        const size_t piece = node->answers_at_once ? left : prng_between(&node->prng, 1, left);
        memcpy(session_input_reserve(session, piece), in.data + given, piece);
        given += piece;
        session_input_added(session, piece);
        if (prng_chance(&node->prng, 1, 2)) {
            (void)turn(node, session, written);
        }
    }
    while (turn(node, session, written)) {
    }
    session_free(session);
    Q_CHECK(node->open_count == 0 && front.session_count == 0);
}

static bool tells_sizes(struct bytes written)
{
    return memmem(written.data, written.size, "qbuf=", 5) != NULL ||
           memmem(written.data, written.size, "quorate_version", 15) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const enum session_kind kind = data[0] % 4 == 3 ? SESSION_HTTP : SESSION_RESP;
    static struct node node;
    const struct bytes in = bytes_of(data + 2, size - 2);
    struct buf at_once = {0};
    struct buf late = {0};
    prng_init(&node.prng, data[1]);
    node.answers_at_once = true;
    converse(&node, kind, in, &at_once);
    node.answers_at_once = false;
    converse(&node, kind, in, &late);
    Q_CHECK(bytes_equal(buf_bytes(&at_once), buf_bytes(&late)) || tells_sizes(buf_bytes(&at_once)));
    buf_deinit(&at_once);
    buf_deinit(&late);
    return 0;
}
