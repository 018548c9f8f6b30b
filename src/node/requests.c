/* A request from submit to its one reply. */
#include "base/check.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"
#include "node/node_private.h"
#include "node/reply.h"

#include <stdarg.h>
#include <stdio.h>

#define PARKED_RETRY_MS 50

void requests_init(struct node *node)
{
    list_init(&node->deadlines);
    list_init(&node->parked);
    list_init(&node->proposed);
    list_init(&node->reading);
    list_init(&node->ready);
    list_init(&node->counting);
    list_init(&node->completing);
    node->forwarded = heap_alloc(ID_BUCKETS * sizeof *node->forwarded);
    for (size_t i = 0; i < ID_BUCKETS; i++) {
        list_init(&node->forwarded[i]);
    }
}

static struct node_request *item(struct list *link)
{
    return LIST_ITEM(link, struct node_request, link);
}

bool request_is_write(const struct node_request *request)
{
    return op_writes(request->request.op);
}

/* ---- the end of a request ---- */

static void unlink_request(struct node *node, struct node_request *request)
{
    counting_stop(request);
    list_remove(&request->link);
    list_remove(&request->deadline_link);
    list_remove(&request->id_link);
    Q_CHECK(node->request_count > 0 && node->request_bytes >= request->payload->size);
    node->request_bytes -= request->payload->size;
    payload_unref(request->payload);
    request->payload = NULL;
    request->state = REQUEST_DONE;
    node->request_count--;
}

/* Did the state machine refuse the request id as too old to be known? Then it did nothing now, but
 * cannot say what became of an earlier attempt. */
static bool id_was_forgotten(struct bytes reply)
{
    static const char PREFIX[] = "REQIDEXPIRED ";
    struct reader r = reader_of(reply);
    struct reply_item item;
    return reply_read(&r, &item) && item.kind == REPLY_ERROR &&
           item.bytes.size >= sizeof PREFIX - 1 &&
           memcmp(item.bytes.data, PREFIX, sizeof PREFIX - 1) == 0;
}

static void say_unknown(struct node *node, struct node_request *request);

void request_finish(struct node *node, struct node_request *request, struct bytes reply)
{
    Q_CHECK(request->state != REQUEST_DONE);
    if (request->maybe_executed && id_was_forgotten(reply)) {
        Q_MARK(REQUEST_FORGOTTEN_AFTER_DOUBT);
        request->maybe_executed = false;
        say_unknown(node, request);
        return;
    }
    unlink_request(node, request);
    request->done(request, reply);
}

void request_fail(
    struct node *node, struct node_request *request, const char *prefix, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct buf reply = {0};
    reply_error(&reply, prefix, "%s", text);
    request_finish(node, request, buf_bytes(&reply));
    buf_deinit(&reply);
}

static void say_unknown(struct node *node, struct node_request *request)
{
    Q_MARK(REQUEST_IN_DOUBT);
    if (request->index > 0) {
        request_fail(node, request, "OUTCOMEUNKNOWN",
                     "%u.%llu.%llu the write may or may not take effect", node->replica.group,
                     (unsigned long long)request->term, (unsigned long long)request->index);
    } else {
        request_fail(node, request, "OUTCOMEUNKNOWN",
                     "- the write was sent to the leader and may or may not take effect");
    }
}

/* Ends a request with an error that promises that nothing was done. After an attempt in doubt that
 * would be a lie. */
static void refuse(struct node *node,
                   struct node_request *request,
                   const char *prefix,
                   const char *text)
{
    if (request->maybe_executed) {
        Q_MARK(REQUEST_REFUSED_AFTER_DOUBT);
        say_unknown(node, request);
        return;
    }
    request->refused = true;
    request_fail(node, request, prefix, "%s", text);
}

void request_refused_elsewhere(struct node *node, struct node_request *request, struct bytes reply)
{
    if (request->maybe_executed) {
        say_unknown(node, request);
    } else {
        Q_MARK(FORWARD_REFUSED);
        request_finish(node, request, reply);
    }
}

void request_unknown(struct node *node, struct node_request *request)
{
    Q_CHECK(request_is_write(request));
    if (Q_PLANT(B45)) {
        request_fail(node, request, "CLUSTERDOWN", "leadership was lost; nothing was done");
        return;
    }
    /* With an idempotency id a second try cannot do it twice. */
    if (request->request.request_id.size > 0 && !request_is_remote(request)) {
        Q_MARK(REQUEST_SECOND_TRY);
        request->maybe_executed = true;
        list_remove(&request->link);
        list_remove(&request->id_link);
        request_route(node, request);
        return;
    }
    say_unknown(node, request);
}

void request_retry(struct node *node, struct node_request *request)
{
    list_remove(&request->link);
    list_remove(&request->id_link);
    if (request_is_remote(request)) {
        forward_reply_retry(node, request);
        return;
    }
    request->index = 0;
    request_route(node, request);
}

void node_cancel(struct node *node, struct node_request *request)
{
    if (request->state != REQUEST_DONE && request->state != REQUEST_NEW) {
        unlink_request(node, request);
    }
}

/* ---- routing ---- */

static void park(struct node *node, struct node_request *request)
{
    request->state = REQUEST_PARKED;
    list_append(&node->parked, &request->link);
}

static void read_now(struct node *node, struct node_request *request)
{
    struct replica *replica = &node->replica;
    if (request->request.op == OP_DBSIZE) {
        counting_start(node, request);
        return;
    }
    struct request decoded;
    const int err =
        request_decode(payload_bytes(request->payload), &decoded, replica->machine.args);
    Q_CHECK(err == Q_OK);
    struct buf reply = {0};
    const int read_err = machine_read(&replica->machine, &decoded, &reply);
    request_finish(node, request, buf_bytes(&reply));
    buf_deinit(&reply);
    node_judge_read(node, read_err);
}

static void read_local(struct node *node, struct node_request *request)
{
    const uint64_t age = replica_age_ms(node);
    const uint64_t limit = request->request.max_stale_ms;
    Q_MARK_IF(REPLICA_NEVER_FRESH, age == UINT64_MAX);
    if (snapshot_is_installing(node)) {
        Q_MARK(REQUEST_LOCAL_INSTALLING);
        request_fail(node, request, "TRYAGAIN", "this replica is installing a snapshot");
    } else if (limit > 0 && age > limit) {
        Q_MARK(REQUEST_LOCAL_TOO_OLD);
        request_fail(node, request, "TRYAGAIN",
                     "local data may be older than MAXSTALE %llu ms; ask another node, raise "
                     "MAXSTALE or use LEVEL linearizable",
                     (unsigned long long)limit);
    } else {
        Q_MARK_IF(REQUEST_LOCAL_ON_FOLLOWER, node->replica.raft.role != RAFT_LEADER);
        read_now(node, request);
    }
}

/* Keeps the list sorted; nearly always the place is the end. */
static void insert_proposed(struct node *node, struct node_request *request)
{
    struct list *before = &node->proposed;
    while (before->previous != &node->proposed && item(before->previous)->index > request->index) {
        before = before->previous;
    }
    list_append(before, &request->link);
}

static void propose(struct node *node, struct node_request *request)
{
    struct replica *replica = &node->replica;
    replica_make_room(replica, 1);
    raft_index index = 0;
    const hlc_time hlc = hlc_now(&replica->clock, node->env->wall_ms(node->env->context));
    const int err = raft_propose(&replica->raft, hlc, payload_bytes(request->payload), &index);
    if (err == Q_EBUSY && replica->raft.transfer_target != NODE_NONE) {
        Q_MARK(REQUEST_PARKED_IN_TRANSFER);
        park(node, request);
        return;
    }
    if (err != Q_OK) {
        refuse(node, request, "BUSY", "too many writes are waiting to be committed");
        return;
    }
    replica_sync_payloads(replica);
    replica_set_payload(replica, index, payload_ref(request->payload));
    request->state = REQUEST_PROPOSED;
    request->index = index;
    request->term = replica->raft.hard.term;
    insert_proposed(node, request);
}

static void start_read(struct node *node, struct node_request *request)
{
    struct replica *replica = &node->replica;
    if (Q_PLANT(B34)) {
        read_now(node, request);
        return;
    }
    const int err = raft_read_index(&replica->raft, &request->read_context);
    if (err != Q_OK) {
        park(node, request);
        return;
    }
    request->state = REQUEST_READING;
    list_append(&node->reading, &request->link);
}

void request_route(struct node *node, struct node_request *request)
{
    Q_CHECK(request->link.next == &request->link);
    const struct raft *raft = &node->replica.raft;
    if (node->booted && raft->role == RAFT_LEADER && !snapshot_is_installing(node)) {
        if (request_is_write(request)) {
            propose(node, request);
        } else {
            start_read(node, request);
        }
        return;
    }
    if (request_is_remote(request) && !Q_PLANT(FORWARDLOOP)) {
        Q_MARK(FORWARD_HOP_REFUSED);
        forward_reply_retry(node, request);
        return;
    }
    if (node->booted && raft->leader != NODE_NONE && raft->leader != node->self &&
        forward_send(node, request, raft->leader)) {
        return;
    }
    Q_MARK_IF(REQUEST_PARKED, node->booted && raft->leader == NODE_NONE);
    park(node, request);
}

/* ---- submit ---- */

void request_link_deadline(struct node *node, struct node_request *request)
{
    struct list *before = &node->deadlines;
    while (before->previous != &node->deadlines &&
           LIST_ITEM(before->previous, struct node_request, deadline_link)->deadline_ms >
               request->deadline_ms) {
        before = before->previous;
    }
    list_append(before, &request->deadline_link);
}

/* A lone request is never too large. */
static bool is_full(const struct node *node)
{
    const size_t bytes_max =
        node->options.waiting_bytes_max > 0 ? node->options.waiting_bytes_max : WAITING_BYTES_MAX;
    return node->request_count > node->options.parked_max ||
           (node->request_bytes > bytes_max && node->request_count > 1);
}

void node_submit(struct node *node, struct node_request *request)
{
    Q_CHECK(request->done != NULL);
    list_init(&request->link);
    list_init(&request->deadline_link);
    list_init(&request->id_link);
    request->id = ++node->last_request_id;
    request->index = 0;
    request->term = 0;
    request->forwarded_to = NODE_NONE;
    request->maybe_executed = false;
    request->refused = false;
    node->now_ms = node->env->monotonic_ms(node->env->context);
    const uint32_t timeout =
        request->timeout_ms > 0 ? request->timeout_ms : node->options.request_timeout_ms;
    request->deadline_ms = node->now_ms + timeout;
    const size_t size = request_encoded_size(&request->request);
    request->payload = payload_new(size);
    struct writer w = writer_of(request->payload->data, size);
    request_encode(&request->request, &w);
    Q_CHECK(!w.failed && writer_size(&w) == size);
    /* The caller's bytes are borrowed only now: from here on the encoding speaks. The flag that an
     * idempotency id is there must outlive them. */
    request->request.args = NULL;
    request->request.arg_count = 0;
    request->state = REQUEST_SUBMITTED;
    node->request_count++;
    node->request_bytes += size;
    request_link_deadline(node, request);
    if (node->failure != Q_OK) {
        refuse(node, request, "CLUSTERDOWN", node->failure_text);
    } else if (is_full(node)) {
        Q_MARK(REQUEST_QUEUE_FULL);
        refuse(node, request, "BUSY", "too many requests are in flight on this node");
    } else if (request->request.level == LEVEL_LOCAL && node->booted &&
               !request_is_write(request)) {
        read_local(node, request);
    } else {
        request_route(node, request);
    }
}

/* ---- events ---- */

void requests_applied(struct node *node, raft_index index, raft_term term, size_t reply_start)
{
    struct list *link = list_first(&node->proposed);
    while (link != NULL && item(link)->index <= index) {
        struct node_request *request = item(link);
        list_remove(link);
        list_append(&node->completing, link);
        request->state = REQUEST_COMPLETING;
        request->reply_start = reply_start;
        /* Where another entry was committed in its place it never takes effect. */
        const bool mine = request->index == index && request->term == term;
        request->reply_size = mine ? buf_size(&node->replies) - reply_start : SIZE_MAX;
        link = list_first(&node->proposed);
    }
}

void requests_deliver(struct node *node)
{
    struct list *link = list_first(&node->completing);
    while (link != NULL) {
        struct node_request *request = item(link);
        if (request->reply_size == SIZE_MAX) {
            Q_MARK(REQUEST_OVERWRITTEN);
            request_retry(node, request);
        } else {
            const struct bytes all = buf_bytes(&node->replies);
            Q_CHECK(request->reply_start + request->reply_size <= all.size);
            request_finish(node, request,
                           bytes_of(all.data + request->reply_start, request->reply_size));
        }
        link = list_first(&node->completing);
    }
}

size_t node_reads_waiting(const struct node *node, uint64_t context)
{
    size_t count = 0;
    for (struct list *link = node->reading.next; link != &node->reading; link = link->next) {
        count += item(link)->read_context <= context;
    }
    return count;
}

void requests_reads_confirmed(struct node *node, uint64_t context, raft_index index)
{
    struct list *link = list_first(&node->reading);
    while (link != NULL && item(link)->read_context <= context) {
        struct node_request *request = item(link);
        list_remove(link);
        request->state = REQUEST_READY;
        request->index = index;
        list_append(&node->ready, link);
        link = list_first(&node->reading);
    }
    requests_serve_ready(node);
}

void requests_serve_ready(struct node *node)
{
    struct list *link = list_first(&node->ready);
    Q_MARK_IF(REQUEST_READ_WAITS_FOR_APPLY,
              link != NULL && item(link)->index > node->replica.raft.applied_index);
    while (link != NULL &&
           (item(link)->index <= node->replica.raft.applied_index || Q_PLANT(READAPPLY))) {
        struct node_request *request = item(link);
        list_remove(link);
        read_now(node, request);
        link = list_first(&node->ready);
    }
}

static void route_all(struct node *node, struct list *from)
{
    /* Moved aside first: a request that must wait again goes to the end of the same list. */
    struct list moved;
    list_init(&moved);
    struct list *link = list_first(from);
    while (link != NULL) {
        list_remove(link);
        list_append(&moved, link);
        link = list_first(from);
    }
    link = list_first(&moved);
    while (link != NULL) {
        list_remove(link);
        request_route(node, item(link));
        link = list_first(&moved);
    }
}

void requests_role_changed(struct node *node)
{
    if (Q_PLANT(B36)) {
        while (list_first(&node->reading) != NULL) {
            struct node_request *request = item(list_first(&node->reading));
            list_remove(&request->link);
            read_now(node, request);
        }
    }
    Q_MARK_IF(REQUEST_READ_REROUTED, !list_is_empty(&node->reading));
    route_all(node, &node->reading);
    route_all(node, &node->parked);
    if (node->replica.raft.leader != NODE_NONE) {
        forward_leader_changed(node, node->replica.raft.leader);
    }
}

void requests_jumped(struct node *node, raft_index index)
{
    struct list *link = list_first(&node->proposed);
    while (link != NULL && item(link)->index <= index) {
        struct node_request *request = item(link);
        Q_MARK(REQUEST_JUMPED);
        request_unknown(node, request);
        link = list_first(&node->proposed);
    }
    requests_serve_ready(node);
}

static void expire(struct node *node, struct node_request *request)
{
    const bool in_doubt = request->state == REQUEST_PROPOSED || request->state == REQUEST_FORWARDED;
    char text[128];
    const uint32_t timeout_ms =
        request->timeout_ms > 0 ? request->timeout_ms : node->options.request_timeout_ms;
    (void)snprintf(text, sizeof text,
                   "no leader confirmed by a majority within %u ms; nothing was done", timeout_ms);
    if (request_is_write(request) && in_doubt && !Q_PLANT(FAILTIMEOUT)) {
        Q_MARK(REQUEST_EXPIRED_IN_DOUBT);
        say_unknown(node, request);
    } else if (request->state == REQUEST_COUNTING) {
        refuse(node, request, "TRYAGAIN", "counting the keys took longer than the request may");
    } else if (!node->booted) {
        Q_MARK(REQUEST_EXPIRED_UNBOOTED);
        refuse(node, request, "CLUSTERDOWN", "the cluster has not formed yet; see /status");
    } else {
        Q_MARK(REQUEST_EXPIRED_WAITING);
        refuse(node, request, "CLUSTERDOWN", text);
    }
}

void requests_tick(struct node *node)
{
    struct list *link = list_first(&node->deadlines);
    while (link != NULL) {
        struct node_request *request = LIST_ITEM(link, struct node_request, deadline_link);
        if (request->deadline_ms > node->now_ms) {
            break;
        }
        expire(node, request);
        link = list_first(&node->deadlines);
    }
    if (node->now_ms >= node->parked_retry_at_ms) {
        node->parked_retry_at_ms =
            node->now_ms + PARKED_RETRY_MS + (Q_PLANT(NONDETCLOCK) ? plant_clock_ns() % 7 : 0);
        route_all(node, &node->parked);
    }
}

void requests_deinit(struct node *node)
{
    struct list *link = list_first(&node->deadlines);
    while (link != NULL) {
        struct node_request *request = LIST_ITEM(link, struct node_request, deadline_link);
        /* COMPLETING here: committed, and then storage failed. */
        if (request_is_write(request) &&
            (request->state == REQUEST_PROPOSED || request->state == REQUEST_FORWARDED ||
             request->state == REQUEST_COMPLETING)) {
            Q_MARK(REQUEST_STOPPED_IN_DOUBT);
            say_unknown(node, request);
        } else {
            refuse(node, request, "CLUSTERDOWN", "this node is stopping; nothing was done");
        }
        link = list_first(&node->deadlines);
    }
    heap_free(node->forwarded);
    node->forwarded = NULL;
}
