/* Operations on lists.
 *
 * A list is one value {count, head, tail} under its key and one storage key per element, numbered
 * by a sequence from the middle of 64 bits; [head, tail) are the numbers in use. A new list under
 * an old name starts at the middle again: elements of the old one were deleted, possibly by a range
 * delete in the same batch, which the overlay does not show to reads. That is safe because only
 * numbers in [head, tail) are ever read and each of them was written after that delete.
 */
#include "base/check.h"
#include "base/err.h"
#include "node/machine/machine_private.h"

#define SEQ_MIDDLE ((uint64_t)1 << 63)
/* Up to here elements are deleted one by one: range deletes slow RocksDB's reads down. */
#define POINT_DELETES_MAX 64
/* Tag and size of an element in a reply. */
#define REPLY_BULK_OVERHEAD 5

struct list_value {
    uint64_t count;
    uint64_t head; /* Number of the first element. */
    uint64_t tail; /* One past the number of the last. */
};

static int list_parse(struct bytes contents, struct list_value *out_list)
{
    struct reader r = reader_of(contents);
    out_list->count = read_u64(&r);
    out_list->head = read_u64(&r);
    out_list->tail = read_u64(&r);
    const bool sound = reader_is_done(&r) && out_list->tail - out_list->head == out_list->count;
    return sound ? Q_OK : Q_ECORRUPT;
}

static void list_write(struct machine *machine, struct bytes key, const struct list_value *list)
{
    uint8_t value[VALUE_HEADER_SIZE + 24];
    struct writer w = writer_of(value, sizeof value);
    write_u8(&w, VALUE_LIST);
    write_u8(&w, 0);
    write_u64(&w, machine->entry_hlc);
    write_u64(&w, list->count);
    write_u64(&w, list->head);
    write_u64(&w, list->tail);
    Q_CHECK(!w.failed);
    struct storage_key storage_key;
    storage_key_of(&storage_key, machine->group, key);
    overlay_put(&machine->overlay, storage_key_bytes(&storage_key), bytes_of(value, sizeof value));
}

/* Reads a key that should hold a list. `out_usable` false: the reply was given (wrong type). An
 * absent key gives an empty list starting at the middle. */
static int list_open(struct machine *machine,
                     struct bytes key,
                     struct buf *reply,
                     struct list_value *out_list,
                     bool *out_usable)
{
    struct value value;
    int err = value_read(machine, key, &value);
    if (err != Q_OK) {
        return err;
    }
    *out_list = (struct list_value){.head = SEQ_MIDDLE, .tail = SEQ_MIDDLE};
    *out_usable = !value.exists || value.type == VALUE_LIST;
    if (!*out_usable) {
        reply_wrong_type(reply);
    } else if (value.exists) {
        err = list_parse(value.contents, out_list);
    }
    value_release(machine, &value);
    return err;
}

int list_push(struct machine *machine, const struct request *request, struct buf *reply)
{
    const struct bytes key = request->args[0];
    struct list_value list;
    bool usable = false;
    const int err = list_open(machine, key, reply, &list, &usable);
    if (err != Q_OK || !usable) {
        return err;
    }
    if (list.count == 0) {
        machine->meta.list_count++;
    }
    for (size_t i = 1; i < request->arg_count; i++) {
        const bool at_tail = request->op == OP_RPUSH;
        const uint64_t seq = at_tail ? list.tail++ : --list.head;
        struct storage_key element;
        storage_key_element(&element, machine->group, key, seq);
        overlay_put(&machine->overlay, storage_key_bytes(&element), request->args[i]);
        list.count++;
    }
    list_write(machine, key, &list);
    reply_integer(reply, (int64_t)list.count);
    return Q_OK;
}

/* Takes one element off either end into the reply. */
static int pop_one(struct machine *machine,
                   const struct request *request,
                   struct list_value *list,
                   struct buf *reply)
{
    Q_CHECK(list->count > 0);
    const uint64_t seq = request->op == OP_LPOP ? list->head++ : --list->tail;
    list->count--;
    struct storage_key element;
    storage_key_element(&element, machine->group, request->args[0], seq);
    struct value row;
    const int err = row_read(machine, storage_key_bytes(&element), &row);
    if (err != Q_OK) {
        return err;
    }
    if (!row.exists) {
        return Q_ECORRUPT;
    }
    reply_bulk(reply, row.contents);
    value_release(machine, &row);
    overlay_delete(&machine->overlay, storage_key_bytes(&element));
    return Q_OK;
}

/* Whether the reply to a pop of `wanted` elements stays within WRITE_REPLY_SIZE_MAX. Looked at
 * before anything is taken: what does not fit must change nothing. */
static int pop_fits(struct machine *machine,
                    const struct request *request,
                    const struct list_value *list,
                    uint64_t wanted,
                    bool *out_fits)
{
    size_t size = 0;
    for (uint64_t i = 0; i < wanted && size <= WRITE_REPLY_SIZE_MAX; i++) {
        struct storage_key element;
        const uint64_t seq = request->op == OP_LPOP ? list->head + i : list->tail - 1 - i;
        storage_key_element(&element, machine->group, request->args[0], seq);
        struct value row;
        const int err = row_read(machine, storage_key_bytes(&element), &row);
        if (err != Q_OK) {
            return err;
        }
        size += REPLY_BULK_OVERHEAD + row.contents.size;
        value_release(machine, &row);
    }
    *out_fits = size <= WRITE_REPLY_SIZE_MAX;
    return Q_OK;
}

int list_pop(struct machine *machine, const struct request *request, struct buf *reply)
{
    const struct bytes key = request->args[0];
    struct list_value list;
    bool usable = false;
    int err = list_open(machine, key, reply, &list, &usable);
    if (err != Q_OK || !usable) {
        return err;
    }
    if (list.count == 0) {
        reply_nil(reply);
        return Q_OK;
    }
    const bool single = request->a < 0;
    uint64_t wanted = single ? 1 : (uint64_t)request->a;
    wanted = wanted > list.count ? list.count : wanted;
    if (!single) {
        bool fits = false;
        err = pop_fits(machine, request, &list, wanted, &fits);
        if (err != Q_OK) {
            return err;
        }
        if (!fits) {
            reply_error(reply, "TOOBIG", "the reply would exceed 32 MiB; ask for fewer elements");
            return Q_OK;
        }
        reply_array(reply, wanted);
    }
    for (uint64_t i = 0; i < wanted; i++) {
        err = pop_one(machine, request, &list, reply);
        if (err != Q_OK) {
            return err;
        }
    }
    if (list.count > 0) {
        list_write(machine, key, &list);
        return Q_OK;
    }
    struct storage_key storage_key;
    storage_key_of(&storage_key, machine->group, key);
    overlay_delete(&machine->overlay, storage_key_bytes(&storage_key));
    machine->meta.list_count--;
    return Q_OK;
}

/* Turns Redis' inclusive, maybe negative bounds into [first, end) of [0, count). */
static bool range_clamp(const struct request *request,
                        uint64_t count,
                        uint64_t *out_first,
                        uint64_t *out_end)
{
    const int64_t size = (int64_t)count;
    int64_t start = request->a < 0 ? request->a + size : request->a;
    int64_t stop = request->b < 0 ? request->b + size : request->b;
    start = start < 0 ? 0 : start;
    stop = stop >= size ? size - 1 : stop;
    if (start > stop || start >= size) {
        return false;
    }
    *out_first = (uint64_t)start;
    *out_end = (uint64_t)stop + 1;
    return true;
}

int list_range(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct list_value list;
    bool usable = false;
    int err = list_open(machine, request->args[0], reply, &list, &usable);
    if (err != Q_OK || !usable) {
        return err;
    }
    uint64_t first = 0;
    uint64_t end = 0;
    if (!range_clamp(request, list.count, &first, &end)) {
        reply_array(reply, 0);
        return Q_OK;
    }
    struct storage_key from;
    struct storage_key to;
    storage_key_element(&from, machine->group, request->args[0], list.head + first);
    storage_key_element(&to, machine->group, request->args[0], list.head + end);
    const struct engine_ops *ops = machine->engine->ops;
    struct engine_iterator *iterator =
        ops->iterator_new(machine->engine, NULL, storage_key_bytes(&from), storage_key_bytes(&to));
    reply_array(reply, (size_t)(end - first));
    const size_t start = buf_size(reply);
    uint64_t found = 0;
    while (buf_size(reply) - start <= REPLY_SIZE_MAX && ops->iterator_next(iterator)) {
        reply_bulk(reply, ops->iterator_value(iterator));
        found++;
    }
    err = ops->iterator_error(iterator);
    ops->iterator_free(iterator);
    if (err == Q_OK && found != end - first && buf_size(reply) - start <= REPLY_SIZE_MAX) {
        err = Q_ECORRUPT;
    }
    return err;
}

int list_length(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct list_value list;
    bool usable = false;
    const int err = list_open(machine, request->args[0], reply, &list, &usable);
    if (err == Q_OK && usable) {
        reply_integer(reply, (int64_t)list.count);
    }
    return err;
}

void list_remove_elements(struct machine *machine, struct bytes key, const struct value *value)
{
    struct list_value list;
    if (list_parse(value->contents, &list) != Q_OK) {
        return; /* The key itself goes anyway; unreachable elements do no harm. */
    }
    machine->meta.list_count--;
    struct storage_key from;
    if (list.count > POINT_DELETES_MAX) {
        struct storage_key to;
        storage_key_element(&from, machine->group, key, list.head);
        storage_key_element(&to, machine->group, key, list.tail);
        overlay_delete_range(&machine->overlay, storage_key_bytes(&from), storage_key_bytes(&to));
        return;
    }
    for (uint64_t seq = list.head; seq < list.tail; seq++) {
        storage_key_element(&from, machine->group, key, seq);
        overlay_delete(&machine->overlay, storage_key_bytes(&from));
    }
}
