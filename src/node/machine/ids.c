/* Idempotency ids: the first reply to each, kept in the replicated state (Ongaro section 6.3).
 *
 * An id is `<unix ms>-<name>`. Its time bounds how long it must be remembered: an id older than
 * what is kept is refused, never executed a second time.
 */
#include "base/check.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/plant.h"
#include "node/machine/machine_private.h"

/* How many rows one apply may forget, so that no entry pays for a whole backlog. */
#define EVICTIONS_PER_ENTRY 8

static uint64_t shard_ms(const struct machine *machine)
{
    return machine->meta.shard_time >> HLC_COUNTER_BITS;
}

static bool id_time(struct bytes id, uint64_t *out_ms)
{
    uint64_t ms = 0;
    size_t i = 0;
    while (i < id.size && i < 15 && id.data[i] >= '0' && id.data[i] <= '9') {
        ms = ms * 10 + (uint64_t)(id.data[i] - '0');
        i++;
    }
    if (i == 0 || i >= id.size || id.data[i] != '-') {
        return false;
    }
    *out_ms = ms;
    return true;
}

static struct bytes first_key(const struct request *request)
{
    return request->arg_count > 0 ? request->args[0] : (struct bytes){0};
}

int ids_lookup(struct machine *machine,
               const struct request *request,
               struct buf *reply,
               bool *out_answered)
{
    *out_answered = false;
    struct storage_key key;
    storage_key_id(&key, machine->group, first_key(request), request->request_id);
    struct value row;
    const int err = row_read(machine, storage_key_bytes(&key), &row);
    if (err != Q_OK) {
        return err;
    }
    if (row.exists && Q_PLANT(B46)) {
        reply_error(reply, "TRYAGAIN", "this request is already being executed");
        *out_answered = true;
    } else if (row.exists && !Q_PLANT(B44)) {
        Q_MARK(ID_ANSWERED);
        buf_append(reply, row.contents);
        *out_answered = true;
    }
    value_release(machine, &row);
    if (*out_answered) {
        return Q_OK;
    }
    uint64_t ms = 0;
    const uint64_t now = shard_ms(machine);
    const bool well_formed = id_time(request->request_id, &ms);
    if (!well_formed || ms + ID_KEEP_MS < now || ms <= machine->meta.id_evicted_ms ||
        ms > now + ID_AHEAD_MS) {
        Q_MARK_IF(ID_TOO_OLD, ms + ID_KEEP_MS < now);
        Q_MARK_IF(ID_AHEAD, ms > now + ID_AHEAD_MS);
        reply_error(reply, "REQIDEXPIRED",
                    "the request id's time is outside the window kept; nothing was done");
        *out_answered = true;
    }
    return Q_OK;
}

/* Forgets the oldest rows that are out of the window or over the caps. */
static int evict(struct machine *machine)
{
    struct shard_meta *meta = &machine->meta;
    struct storage_key from;
    struct storage_key to;
    /* Nothing below the watermark is left: starting there skips what was deleted. The engine holds
     * every row of earlier entries (machine_apply), so all replicas evict the same rows. */
    storage_key_space(&from, machine->group, SPACE_ID_ORDER);
    from.size += 8;
    for (size_t i = 0; i < 8; i++) {
        from.data[5 + i] = (uint8_t)(meta->id_evicted_ms >> (56 - 8 * i));
    }
    storage_key_space(&to, machine->group, SPACE_END);
    const struct engine_ops *ops = machine->engine->ops;
    struct engine_iterator *iterator =
        ops->iterator_new(machine->engine, NULL, storage_key_bytes(&from), storage_key_bytes(&to));
    const uint64_t now = shard_ms(machine);
    size_t evicted = 0;
    while (evicted < EVICTIONS_PER_ENTRY && ops->iterator_next(iterator)) {
        const struct bytes order = ops->iterator_key(iterator);
        uint64_t ms = 0;
        for (size_t i = 0; i < 8; i++) {
            ms = ms << 8 | order.data[5 + i];
        }
        const bool over = meta->id_rows > ID_ROWS_MAX || meta->id_bytes > ID_BYTES_MAX;
        if (!over && ms + ID_KEEP_MS >= now) {
            break;
        }
        struct reader r = reader_of(ops->iterator_value(iterator));
        const uint64_t bytes = read_u32(&r);
        struct storage_key row;
        storage_key_space(&row, machine->group, SPACE_ID);
        Q_CHECK(order.size > 13 && order.size - 13 <= sizeof row.data - row.size);
        memcpy(row.data + row.size, order.data + 13, order.size - 13);
        row.size += order.size - 13;
        overlay_delete(&machine->overlay, storage_key_bytes(&row));
        overlay_delete(&machine->overlay, order);
        Q_MARK(ID_EVICTED);
        meta->id_rows--;
        meta->id_bytes -= bytes;
        meta->id_evicted_ms = ms > meta->id_evicted_ms ? ms : meta->id_evicted_ms;
        evicted++;
    }
    const int err = ops->iterator_error(iterator);
    ops->iterator_free(iterator);
    return err;
}

int ids_remember(struct machine *machine, const struct request *request, struct bytes reply)
{
    struct storage_key row;
    storage_key_id(&row, machine->group, first_key(request), request->request_id);
    overlay_put(&machine->overlay, storage_key_bytes(&row), reply);
    uint64_t ms = 0;
    const bool well_formed = id_time(request->request_id, &ms);
    Q_CHECK(well_formed || Q_PLANT(B44));
    struct storage_key order;
    storage_key_id_order(&order, machine->group, ms, storage_key_bytes(&row));
    const uint32_t size = (uint32_t)(reply.size + row.size + order.size);
    uint8_t encoded[4];
    struct writer w = writer_of(encoded, sizeof encoded);
    write_u32(&w, size);
    overlay_put(&machine->overlay, storage_key_bytes(&order), bytes_of(encoded, sizeof encoded));
    machine->meta.id_rows++;
    machine->meta.id_bytes += size;
    machine->overlay_has_ids = true;
    return evict(machine);
}
