#include "net/peer_input.h"

#include "base/err.h"
#include "base/os/buf.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "wire/frame.h"

#include <stdio.h>

/* One per peer and a few that the peer has given up but we have not noticed yet. */
#define CONNECTIONS_MAX ((size_t)8 * NODES_MAX)
/* Appends come in runs of megabytes; small reads would cut them into hundreds of calls. */
#define READ_SIZE ((size_t)256 * 1024)
/* Buffers that grew for a large frame are given back when empty. */
#define KEEP_SIZE ((size_t)2 * 1024 * 1024)

/* A peer that is refused dials again and again; one line in so long says it well enough. */
#define LOG_EVERY_MS 5000

struct peer_input {
    struct listener *listener;
    struct peer_input_options options;
    struct peer_input_stats stats;
    uint64_t log_at_ms; /* The next refusal from then on is logged. */
};

/* One incoming connection. */
struct source {
    struct peer_input *input;
    struct buf in; /* Owned. */
    bool is_bad;
    char address[ADDRESS_TEXT_SIZE_MAX];
};

static void *opened(void *context, struct connection *connection, const char *peer)
{
    (void)connection;
    struct source *source = heap_alloc(sizeof *source);
    source->input = context;
    (void)snprintf(source->address, sizeof source->address, "%s", peer);
    return source;
}

static uint8_t *reserve(void *session, size_t size)
{
    struct source *source = session;
    /* A frame of megabytes: make room for all of it in one step instead of doubling towards it. */
    const size_t announced = frame_announced_size(buf_bytes(&source->in));
    const size_t missing =
        announced > buf_size(&source->in) ? announced - buf_size(&source->in) : 0;
    return buf_reserve(&source->in, missing > size ? missing : size);
}

static void drop(struct source *source, uint64_t *counter, const char *reason)
{
    source->is_bad = true;
    (*counter)++;
    const uint64_t now_ms = clock_monotonic_ms();
    if (now_ms < source->input->log_at_ms) {
        return;
    }
    source->input->log_at_ms = now_ms + LOG_EVERY_MS;
    log_event(LOG_WARN, "peer_frame_refused", "from=%s reason=\"%s\"", source->address, reason);
}

/* False: refused; the connection ends. */
static bool judge(struct source *source, const struct frame *frame)
{
    struct peer_input *input = source->input;
    const struct peer_input_options *options = &input->options;
    char reason[200];
    if (!frame_is_for(frame, options->self, options->peers_max)) {
        (void)snprintf(reason, sizeof reason,
                       "frame of node %u for node %u, but this is node %u of %u; "
                       "do both have the same --cluster list?",
                       frame->from, frame->to, options->self, options->peers_max);
        drop(source, &input->stats.wrong_node, reason);
        return false;
    }
    return true;
}

static void added(void *session, size_t size)
{
    struct source *source = session;
    struct peer_input *input = source->input;
    buf_added(&source->in, size);
    input->stats.bytes += size;
    while (!source->is_bad) {
        struct frame frame;
        size_t consumed = 0;
        const int result = frame_parse(buf_bytes(&source->in), &frame, &consumed);
        if (result == Q_EAGAIN) {
            break;
        }
        if (result != Q_OK) {
            drop(source, result == Q_ECORRUPT ? &input->stats.corrupt : &input->stats.malformed,
                 result == Q_ECORRUPT ? "bad checksum" : err_text(result));
            break;
        }
        if (!judge(source, &frame)) {
            break;
        }
        input->stats.messages++;
        input->options.receive(input->options.context, &frame);
        buf_trim(&source->in, consumed);
    }
    if (buf_size(&source->in) == 0 && source->in.capacity > KEEP_SIZE) {
        buf_deinit(&source->in);
    }
}

static struct buf *no_output(void *session)
{
    (void)session;
    return NULL;
}

static bool never(void *session)
{
    (void)session;
    return false;
}

static void no_resume(void *session)
{
    (void)session;
}

static bool wants_close(void *session)
{
    const struct source *source = session;
    return source->is_bad;
}

static void closed(void *session)
{
    struct source *source = session;
    buf_deinit(&source->in);
    heap_free(source);
}

int peer_input_new(struct loop *loop,
                   const struct peer_input_options *options,
                   struct peer_input **out_input,
                   char *error,
                   size_t error_size)
{
    struct peer_input *input = heap_alloc(sizeof *input);
    input->options = *options;
    struct listener_options listener_options = {
        .address = options->address,
        .limits = connection_limits_default(),
        .owner =
            {
                .context = input,
                .opened = opened,
                .reserve = reserve,
                .added = added,
                .output = no_output,
                .is_full = never,
                .resume = no_resume,
                .wants_close = wants_close,
                .is_mid_command = never,
                .is_busy = never,
                .closed = closed,
            },
    };
    listener_options.limits.connections_max = CONNECTIONS_MAX;
    listener_options.limits.read_size = READ_SIZE;
    listener_options.limits.keepalive_s = 10;
    const int result = listener_new(loop, &listener_options, &input->listener, error, error_size);
    if (result != Q_OK) {
        heap_free(input);
        return result;
    }
    *out_input = input;
    return Q_OK;
}

void peer_input_close(struct peer_input *input)
{
    if (input != NULL) {
        listener_close(input->listener);
        input->listener = NULL;
    }
}

void peer_input_free(struct peer_input *input)
{
    heap_free(input);
}

uint16_t peer_input_port(const struct peer_input *input)
{
    return listener_port(input->listener);
}

struct peer_input_stats peer_input_stats(const struct peer_input *input)
{
    return input->stats;
}
