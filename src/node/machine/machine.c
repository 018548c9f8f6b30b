#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"
#include "node/machine/machine_private.h"

#define META_SIZE 56

static void meta_write(const struct shard_meta *meta, struct writer *w)
{
    write_u64(w, meta->applied_index);
    write_u64(w, meta->applied_term);
    write_u64(w, meta->shard_time);
    write_u64(w, meta->list_count);
    write_u64(w, meta->id_rows);
    write_u64(w, meta->id_bytes);
    write_u64(w, meta->id_evicted_ms);
}

static void meta_read(struct bytes in, struct shard_meta *meta)
{
    struct reader r = reader_of(in);
    meta->applied_index = read_u64(&r);
    meta->applied_term = read_u64(&r);
    meta->shard_time = read_u64(&r);
    meta->list_count = read_u64(&r);
    meta->id_rows = read_u64(&r);
    meta->id_bytes = read_u64(&r);
    meta->id_evicted_ms = read_u64(&r);
}

int machine_init(struct machine *machine, struct engine *engine, group_id group)
{
    *machine = (struct machine){.engine = engine, .group = group};
    struct storage_key key;
    storage_key_meta(&key, group);
    struct engine_value value;
    const int err = engine_get(engine, storage_key_bytes(&key), &value);
    if (err == Q_OK) {
        const bool well_formed = value.bytes.size == META_SIZE;
        if (well_formed) {
            meta_read(value.bytes, &machine->meta);
        }
        engine_value_release(engine, &value);
        if (!well_formed) {
            return Q_ECORRUPT;
        }
    } else if (err != Q_ENOTFOUND) {
        return err;
    }
    machine->args = heap_alloc_raw(REQUEST_ARGS_MAX * sizeof *machine->args);
    return Q_OK;
}

void machine_deinit(struct machine *machine)
{
    overlay_deinit(&machine->overlay);
    buf_deinit(&machine->value);
    heap_free(machine->args);
    *machine = (struct machine){0};
}

int row_read(struct machine *machine, struct bytes storage_key, struct value *out_value)
{
    *out_value = (struct value){0};
    switch (overlay_get(&machine->overlay, storage_key, &out_value->contents)) {
    case OVERLAY_VALUE: out_value->exists = true; return Q_OK;
    case OVERLAY_DELETED: return Q_OK;
    case OVERLAY_UNKNOWN: break;
    }
    const int err = engine_get(machine->engine, storage_key, &out_value->pinned);
    if (err == Q_ENOTFOUND) {
        return Q_OK;
    }
    if (err != Q_OK) {
        return err;
    }
    out_value->exists = true;
    out_value->is_pinned = true;
    out_value->contents = out_value->pinned.bytes;
    return Q_OK;
}

int value_read_at(struct machine *machine, struct bytes storage_key, struct value *out_value)
{
    const int err = row_read(machine, storage_key, out_value);
    if (err != Q_OK || !out_value->exists) {
        return err;
    }
    struct reader r = reader_of(out_value->contents);
    out_value->type = read_u8(&r);
    (void)read_u8(&r); /* Flags: none defined yet. */
    out_value->hlc = read_u64(&r);
    if (r.failed) {
        value_release(machine, out_value);
        return Q_ECORRUPT;
    }
    out_value->contents = bytes_of(r.at, reader_left(&r));
    return Q_OK;
}

int value_read(struct machine *machine, struct bytes key, struct value *out_value)
{
    struct storage_key storage_key;
    storage_key_of(&storage_key, machine->group, key);
    return value_read_at(machine, storage_key_bytes(&storage_key), out_value);
}

void value_release(struct machine *machine, struct value *value)
{
    if (value->is_pinned) {
        engine_value_release(machine->engine, &value->pinned);
    }
    *value = (struct value){0};
}

void reply_wrong_type(struct buf *reply)
{
    Q_MARK(MACHINE_WRONG_TYPE);
    reply_error(reply, "WRONGTYPE", "Operation against a key holding the wrong kind of value");
}

typedef int (*operation_fn)(struct machine *, const struct request *, struct buf *);

static operation_fn operation_of(enum op op)
{
    switch (op) {
    case OP_GET: return string_get;
    case OP_SET: return string_set;
    case OP_DEL: return key_delete;
    case OP_EXISTS: return key_exists;
    case OP_APPEND: return string_append;
    case OP_STRLEN: return string_length;
    case OP_GETRANGE: return string_range;
    case OP_INCRBY: return string_increment;
    case OP_MGET: return string_get_many;
    case OP_MSET: return string_set_many;
    case OP_RPUSH:
    case OP_LPUSH: return list_push;
    case OP_LRANGE: return list_range;
    case OP_LLEN: return list_length;
    case OP_LPOP:
    case OP_RPOP: return list_pop;
    case OP_TYPE: return key_type;
    case OP_SCAN: return key_scan;
    case OP_DBSIZE:
    case OP_NOTHING: break;
    }
    return NULL;
}

static int apply_request(struct machine *machine, const struct request *request, struct buf *reply)
{
    const operation_fn operation = operation_of(request->op);
    if (operation == NULL || !op_writes(request->op)) {
        reply_error(reply, "ERR", "this operation cannot be replicated");
        return Q_OK;
    }
    if (request->request_id.size == 0) {
        return operation(machine, request, reply);
    }
    bool answered = false;
    int err = ids_lookup(machine, request, reply, &answered);
    if (err != Q_OK || answered) {
        return err;
    }
    const size_t before = buf_size(reply);
    err = operation(machine, request, reply);
    if (err != Q_OK) {
        return err;
    }
    const struct bytes all = buf_bytes(reply);
    return ids_remember(machine, request, bytes_of(all.data + before, all.size - before));
}

int machine_apply(struct machine *machine,
                  raft_index index,
                  const struct raft_entry *entry,
                  struct buf *reply)
{
    Q_CHECK(index == machine->meta.applied_index + 1);
    Q_CHECK(entry->hlc > machine->meta.shard_time);
    struct request request = {0};
    const bool understood = entry->kind == RAFT_ENTRY_COMMAND &&
                            request_decode(entry->payload, &request, machine->args) == Q_OK;
    /* Forgetting old ids walks the engine, which must therefore hold the rows of every earlier
     * entry; batch boundaries differ between replicas and must not show in the state. */
    if (understood && request.request_id.size > 0 && machine->overlay_has_ids &&
        !Q_PLANT(IDBATCH)) {
        Q_MARK(MACHINE_COMMIT_BETWEEN);
        const int err = machine_commit(machine);
        if (err != Q_OK) {
            return err;
        }
    }
    machine->meta.applied_index = index;
    machine->meta.applied_term = entry->term;
    machine->meta.shard_time = entry->hlc;
    machine->entry_hlc = entry->hlc;
    if (entry->kind == RAFT_ENTRY_NOOP) {
        reply_status(reply, "OK");
        return Q_OK;
    }
    if (!understood) {
        /* Every replica decides alike, so this is safe; it means a newer version proposed it. */
        reply_error(reply, "ERR", "a log entry could not be understood by this version");
        return Q_OK;
    }
    return apply_request(machine, &request, reply);
}

int machine_commit(struct machine *machine)
{
    struct storage_key key;
    storage_key_meta(&key, machine->group);
    uint8_t meta[META_SIZE];
    machine->overlay_has_ids = false;
    struct writer w = writer_of(meta, sizeof meta);
    meta_write(&machine->meta, &w);
    Q_CHECK(!w.failed && writer_size(&w) == META_SIZE);
    if (Q_PLANT(APPLYTWICE)) {
        /* The index in a batch of its own, one batch late: a crash between the two applies twice.
         */
        const int err = machine->engine->ops->write(machine->engine, machine->overlay.operations,
                                                    machine->overlay.operation_count);
        overlay_clear(&machine->overlay);
        const struct engine_operation late = {
            .kind = ENGINE_PUT, .key = storage_key_bytes(&key), .value = bytes_of(meta, META_SIZE)};
        return err != Q_OK ? err : machine->engine->ops->write(machine->engine, &late, 1);
    }
    overlay_put(&machine->overlay, storage_key_bytes(&key), bytes_of(meta, sizeof meta));
    const int err = machine->engine->ops->write(machine->engine, machine->overlay.operations,
                                                machine->overlay.operation_count);
    overlay_clear(&machine->overlay);
    return err;
}

int machine_read(struct machine *machine, const struct request *request, struct buf *reply)
{
    Q_CHECK(machine->overlay.operation_count == 0);
    Q_CHECK(!op_writes(request->op));
    const size_t before = buf_size(reply);
    const operation_fn operation = operation_of(request->op);
    if (operation == NULL) {
        reply_status(reply, "OK");
        return Q_OK;
    }
    const int err = operation(machine, request, reply);
    if (err != Q_OK) {
        buf_chop_to(reply, before);
        reply_error(reply, "ERR", "storage: %s", err_text(err));
    } else if (buf_size(reply) - before > REPLY_SIZE_MAX) {
        buf_chop_to(reply, before);
        reply_error(reply, "TOOBIG", "the reply would exceed 64 MiB; ask for a smaller range");
    }
    return err;
}

int machine_persisted(struct machine *machine, uint64_t *out_index)
{
    struct storage_key key;
    storage_key_meta(&key, machine->group);
    struct engine_value value;
    const int err =
        machine->engine->ops->get_persisted(machine->engine, storage_key_bytes(&key), &value);
    if (err == Q_ENOTFOUND) {
        *out_index = 0;
        return Q_OK;
    }
    if (err != Q_OK) {
        return err;
    }
    struct shard_meta meta;
    meta_read(value.bytes, &meta);
    engine_value_release(machine->engine, &value);
    *out_index = meta.applied_index;
    return Q_OK;
}

uint64_t machine_hash(struct machine *machine)
{
    struct storage_key from;
    struct storage_key to;
    storage_key_space(&from, machine->group, SPACE_META);
    storage_key_space(&to, machine->group, SPACE_END);
    struct engine_iterator *iterator = machine->engine->ops->iterator_new(
        machine->engine, NULL, storage_key_bytes(&from), storage_key_bytes(&to));
    uint64_t hash = 0;
    while (machine->engine->ops->iterator_next(iterator)) {
        hash = hash_bytes_seeded(machine->engine->ops->iterator_key(iterator), hash);
        hash = hash_bytes_seeded(machine->engine->ops->iterator_value(iterator), hash);
    }
    machine->engine->ops->iterator_free(iterator);
    return hash;
}
