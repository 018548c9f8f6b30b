/* DBSIZE: counts keys from a snapshot of the engine, a slice each turn.
 *
 * No counter is kept, because keeping one would cost every SET a read; counting costs the one who
 * asks, and never stalls the loop.
 */
#include "base/mark.h"
#include "base/os/heap.h"
#include "node/node_private.h"

#define KEYS_PER_TURN 20000

struct counting {
    struct engine *engine; /* Borrowed. */
    struct engine_iterator *iterator;
    int64_t count;
};

void counting_start(struct node *node, struct node_request *request)
{
    struct counting *counting = heap_alloc(sizeof *counting);
    struct storage_key from;
    struct storage_key to;
    storage_key_space(&from, node->replica.group, SPACE_KEY);
    storage_key_space(&to, node->replica.group, SPACE_ELEMENT);
    counting->engine = node->engine;
    /* An iterator sees the engine as of its making. */
    counting->iterator = node->engine->ops->iterator_new(
        node->engine, NULL, storage_key_bytes(&from), storage_key_bytes(&to));
    request->counting = counting;
    request->state = REQUEST_COUNTING;
    list_append(&node->counting, &request->link);
}

void counting_stop(struct node_request *request)
{
    struct counting *counting = request->counting;
    if (request->state != REQUEST_COUNTING || counting == NULL) {
        return;
    }
    counting->engine->ops->iterator_free(counting->iterator);
    heap_free(counting);
    request->counting = NULL;
}

void counting_step(struct node *node)
{
    struct list *link = list_first(&node->counting);
    if (link == NULL) {
        return;
    }
    struct node_request *request = LIST_ITEM(link, struct node_request, link);
    struct counting *counting = request->counting;
    for (int i = 0; i < KEYS_PER_TURN; i++) {
        if (node->engine->ops->iterator_next(counting->iterator)) {
            counting->count++;
            continue;
        }
        const int err = node->engine->ops->iterator_error(counting->iterator);
        if (err != Q_OK) {
            request_fail(node, request, "ERR", "storage: %s", err_text(err));
            node_judge_read(node, err);
            return;
        }
        struct buf reply = {0};
        reply_integer(&reply, counting->count);
        Q_MARK(REQUEST_COUNTED);
        request_finish(node, request, buf_bytes(&reply));
        buf_deinit(&reply);
        return;
    }
    /* Others take their turn. */
    list_remove(link);
    list_append(&node->counting, link);
}
