/* Requests sent on to the leader, and requests taken from other nodes.
 *
 * A FORWARD is sent once and never repeated. Its id and the receiver's incarnation in the header
 * let the receiver refuse copies that the network made. A forwarded request is never forwarded
 * again: a node that is not the leader answers RETRY, and the node the client talks to looks for
 * the leader.
 */
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"
#include "node/node_private.h"

/* The leader gives up a little earlier, so that its answer arrives before the asker's deadline. */
#define FORWARD_MARGIN_PERCENT 90

/* What a frame carries of a reply, with plenty for its headers. */
#define FORWARD_REPLY_MAX (FRAME_SIZE_MAX - 128)

static void remote_done(struct node_request *request, struct bytes reply);

bool request_is_remote(const struct node_request *request)
{
    return request->done == remote_done;
}

static struct remote_request *remote_of(struct node_request *request)
{
    return LIST_ITEM(request, struct remote_request, base);
}

/* ---- the asking side ---- */

bool forward_send(struct node *node, struct node_request *request, node_id to)
{
    const struct peer *peer = node_peer(node, to);
    if (peer->incarnation == 0 || peer->may_have_restarted ||
        request->deadline_ms <= node->now_ms) {
        Q_MARK_IF(FORWARD_NOT_SENT, peer->may_have_restarted);
        return false;
    }
    struct buf *out = node_send_begin(node, to, PEER_FORWARD);
    if (out == NULL) {
        return false;
    }
    /* A new id each time: a request may be forwarded again after a RETRY. */
    request->id = ++node->last_request_id;
    const uint64_t left = request->deadline_ms - node->now_ms;
    buf_append_uint(out, request->id, 8);
    buf_append_uint(out, left * FORWARD_MARGIN_PERCENT / 100, 4);
    buf_append(out, payload_bytes(request->payload));
    node_send_end(node, to);
    request->state = REQUEST_FORWARDED;
    request->forwarded_to = to;
    list_append(&node->forwarded[request->id % ID_BUCKETS], &request->id_link);
    node->forwarded_total++;
    return true;
}

static struct node_request *find_forwarded(struct node *node, uint64_t id)
{
    struct list *bucket = &node->forwarded[id % ID_BUCKETS];
    for (struct list *link = bucket->next; link != bucket; link = link->next) {
        struct node_request *request = LIST_ITEM(link, struct node_request, id_link);
        if (request->id == id) {
            return request;
        }
    }
    return NULL;
}

void forward_reply_receive(struct node *node, struct reader *r)
{
    const uint64_t id = read_u64(r);
    const uint8_t status = read_u8(r);
    const struct bytes reply = read_bytes(r, reader_left(r));
    struct node_request *request = find_forwarded(node, id);
    if (r->failed || request == NULL || status > FORWARD_REFUSED) {
        Q_MARK_IF(FORWARD_REPLY_LATE, !r->failed && request == NULL);
        return; /* Malformed, a copy, or given up meanwhile. */
    }
    if (status == FORWARD_DONE) {
        request_finish(node, request, reply);
        return;
    }
    if (status == FORWARD_REFUSED) {
        request_refused_elsewhere(node, request, reply);
        return;
    }
    /* Certainly not done there. Not routed at once: who is leader may be news to us as well. */
    Q_MARK(FORWARD_RETRIED);
    list_remove(&request->id_link);
    request->state = REQUEST_PARKED;
    list_append(&node->parked, &request->link);
}

/* Moves out what was forwarded to `peer`, or to all but `peer`. Gathered before anything is done
 * with it: what is tried again may be forwarded anew, and would be met a second time. */
static void gather(struct node *node, node_id peer, bool to_peer, struct list *out)
{
    list_init(out);
    for (size_t i = 0; i < ID_BUCKETS; i++) {
        struct list *bucket = &node->forwarded[i];
        for (struct list *link = bucket->next; link != bucket; link = link->next) {
            struct node_request *request = LIST_ITEM(link, struct node_request, id_link);
            if ((request->forwarded_to == peer) == to_peer) {
                list_append(out, &request->link);
            }
        }
    }
}

void forward_peer_lost(struct node *node, node_id peer)
{
    struct list lost;
    gather(node, peer, true, &lost);
    struct list *link = list_first(&lost);
    while (link != NULL) {
        struct node_request *request = LIST_ITEM(link, struct node_request, link);
        list_remove(link);
        if (request_is_write(request)) {
            Q_MARK(FORWARD_LOST_WRITE);
            request_unknown(node, request);
        } else {
            Q_MARK(FORWARD_LOST_READ);
            request_retry(node, request);
        }
        link = list_first(&lost);
    }
}

void forward_leader_changed(struct node *node, node_id leader)
{
    struct list others;
    gather(node, leader, false, &others);
    const uint64_t patience_ms = node->now_ms + node->options.election_max_ms;
    struct list *link = list_first(&others);
    while (link != NULL) {
        struct node_request *request = LIST_ITEM(link, struct node_request, link);
        list_remove(link);
        if (!request_is_write(request)) {
            Q_MARK(FORWARD_MOVED_READ);
            request_retry(node, request);
        } else if (request->request.request_id.size > 0) {
            Q_MARK(FORWARD_MOVED_ID);
            request_unknown(node, request);
        } else if (request->deadline_ms > patience_ms) {
            /* A leader that handed over still answers what it has in its log; a dead or paused one
             * never does, and the client should not wait for it until the end. */
            Q_MARK(FORWARD_MOVED_WRITE);
            request->deadline_ms = patience_ms;
            list_remove(&request->deadline_link);
            request_link_deadline(node, request);
        }
        link = list_first(&others);
    }
}

/* ---- the asked side ---- */

static void send_reply(struct node *node,
                       const struct remote_request *remote,
                       enum forward_status status,
                       struct bytes reply)
{
    /* An origin that restarted has nobody waiting. */
    if (node_peer(node, remote->origin)->incarnation != remote->origin_incarnation) {
        Q_MARK(FORWARD_ORIGIN_GONE);
        return;
    }
    struct buf *out = node_send_begin(node, remote->origin, PEER_FORWARD_REPLY);
    if (out == NULL) {
        return;
    }
    buf_append_uint(out, remote->origin_id, 8);
    buf_append_uint(out, (uint64_t)status, 1);
    buf_append(out, reply);
    node_send_end(node, remote->origin);
}

static void remote_done(struct node_request *request, struct bytes reply)
{
    struct remote_request *remote = remote_of(request);
    struct buf too_big = {0};
    if (reply.size > FORWARD_REPLY_MAX) {
        /* Only reads have such replies (WRITE_REPLY_SIZE_MAX). */
        reply_error(&too_big, "TOOBIG",
                    "the reply is too large to be passed on by another node; ask for a smaller "
                    "range, or the leader");
        reply = buf_bytes(&too_big);
    }
    send_reply(request->owner, remote, request->refused ? FORWARD_REFUSED : FORWARD_DONE, reply);
    buf_deinit(&too_big);
    heap_free(remote);
}

void forward_reply_retry(struct node *node, struct node_request *request)
{
    struct remote_request *remote = remote_of(request);
    send_reply(node, remote, FORWARD_RETRY, (struct bytes){0});
    node_cancel(node, request);
    heap_free(remote);
}

/* True the first time an id of the peer's current incarnation is seen. */
static bool forward_is_new(struct peer *peer, uint64_t id)
{
    if (Q_PLANT(B13)) {
        return true;
    }
    if (id + FORWARD_WINDOW <= peer->forward_max) {
        return false; /* Too old to tell: the asker will say "outcome unknown". */
    }
    if (id > peer->forward_max && id - peer->forward_max >= FORWARD_WINDOW) {
        memset(peer->forward_seen, 0, sizeof peer->forward_seen);
        peer->forward_max = id;
    }
    while (peer->forward_max < id) {
        peer->forward_max++;
        const uint64_t next = peer->forward_max % FORWARD_WINDOW;
        peer->forward_seen[next / 64] &= ~((uint64_t)1 << next % 64);
    }
    const uint64_t bit = id % FORWARD_WINDOW;
    const bool seen = (peer->forward_seen[bit / 64] >> bit % 64 & 1) != 0;
    Q_MARK_IF(FORWARD_COPY, seen);
    peer->forward_seen[bit / 64] |= (uint64_t)1 << bit % 64;
    return !seen;
}

void forward_receive(struct node *node,
                     node_id from,
                     const struct peer_header *header,
                     struct reader *r)
{
    const uint64_t id = read_u64(r);
    const uint32_t timeout_ms = read_u32(r);
    const struct bytes body = read_bytes(r, reader_left(r));
    if (r->failed || header->to_incarnation != node->identity.incarnation ||
        !forward_is_new(node_peer(node, from), id)) {
        return;
    }
    struct remote_request *remote = heap_alloc(sizeof *remote);
    remote->origin = from;
    remote->origin_incarnation = header->from_incarnation;
    remote->origin_id = id;
    remote->base.done = remote_done;
    remote->base.owner = node;
    remote->base.timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    if (request_decode(body, &remote->base.request, node->replica.machine.args) != Q_OK) {
        send_reply(node, remote, FORWARD_RETRY, (struct bytes){0});
        heap_free(remote);
        return;
    }
    node_submit(node, &remote->base);
}
