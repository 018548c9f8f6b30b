/* Operations on keys of any type, and SCAN. */
#include "base/check.h"
#include "base/err.h"
#include "base/glob.h"
#include "base/mark.h"
#include "node/machine/machine_private.h"

void key_remove(struct machine *machine, struct bytes key, const struct value *value)
{
    Q_CHECK(value->exists);
    if (value->type == VALUE_LIST) {
        list_remove_elements(machine, key, value);
    }
    struct storage_key storage_key;
    storage_key_of(&storage_key, machine->group, key);
    overlay_delete(&machine->overlay, storage_key_bytes(&storage_key));
}

int key_delete(struct machine *machine, const struct request *request, struct buf *reply)
{
    int64_t removed = 0;
    for (size_t i = 0; i < request->arg_count; i++) {
        struct value value;
        const int err = value_read(machine, request->args[i], &value);
        if (err != Q_OK) {
            return err;
        }
        if (value.exists) {
            key_remove(machine, request->args[i], &value);
            removed++;
        }
        value_release(machine, &value);
    }
    reply_integer(reply, removed);
    return Q_OK;
}

int key_exists(struct machine *machine, const struct request *request, struct buf *reply)
{
    int64_t found = 0;
    for (size_t i = 0; i < request->arg_count; i++) {
        struct value value;
        const int err = value_read(machine, request->args[i], &value);
        if (err != Q_OK) {
            return err;
        }
        found += value.exists;
        value_release(machine, &value);
    }
    reply_integer(reply, found);
    return Q_OK;
}

int key_type(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct value value;
    const int err = value_read(machine, request->args[0], &value);
    if (err != Q_OK) {
        return err;
    }
    const char *name = value.type == VALUE_LIST ? "list" : "string";
    reply_status(reply, value.exists ? name : "none");
    value_release(machine, &value);
    return Q_OK;
}

static bool scan_wants(const struct request *request, struct bytes key, struct bytes value)
{
    const uint32_t types = REQUEST_SCAN_STRING | REQUEST_SCAN_LIST;
    if ((request->flags & types) != 0) {
        const uint32_t type =
            value.size > 0 && value.data[0] == VALUE_LIST ? REQUEST_SCAN_LIST : REQUEST_SCAN_STRING;
        if ((request->flags & type) == 0) {
            return false;
        }
    }
    return request->arg_count == 0 || glob_matches(request->args[0], key, GLOB_EXACT);
}

/* Visits `b` keys from place `a` on, and further to the end of the last place visited, because the
 * cursor cannot point between two keys of one place. */
int key_scan(struct machine *machine, const struct request *request, struct buf *reply)
{
    if (request->a < 0 || (uint64_t)request->a >= KEY_PLACE_END) {
        reply_error(reply, "ERR", "invalid cursor");
        return Q_OK;
    }
    const int64_t count = request->b > SCAN_COUNT_MAX ? SCAN_COUNT_MAX : request->b;
    struct storage_key from;
    struct storage_key to;
    storage_key_at_place(&from, machine->group, (uint64_t)request->a);
    storage_key_space(&to, machine->group, SPACE_ELEMENT);
    const struct engine_ops *ops = machine->engine->ops;
    struct engine_iterator *iterator =
        ops->iterator_new(machine->engine, NULL, storage_key_bytes(&from), storage_key_bytes(&to));
    struct buf keys = {0};
    size_t found = 0;
    int64_t visited = 0;
    uint64_t cursor = 0;
    uint64_t last_place = 0;
    while (ops->iterator_next(iterator)) {
        uint64_t place = 0;
        struct bytes key;
        if (!storage_key_split(ops->iterator_key(iterator), &place, &key)) {
            continue;
        }
        if (visited >= count && place != last_place) {
            Q_MARK(SCAN_STOPS);
            cursor = place;
            break;
        }
        visited++;
        last_place = place;
        if (scan_wants(request, key, ops->iterator_value(iterator))) {
            reply_bulk(&keys, key);
            found++;
        }
    }
    const int err = ops->iterator_error(iterator);
    ops->iterator_free(iterator);
    uint8_t text[20];
    reply_array(reply, 2);
    reply_bulk(reply, bytes_of(text, bytes_from_int64((int64_t)cursor, text)));
    reply_array(reply, found);
    buf_append(reply, buf_bytes(&keys));
    buf_deinit(&keys);
    return err;
}
