/* Operations on strings. */
#include "base/check.h"
#include "base/err.h"
#include "base/mark.h"
#include "node/machine/machine_private.h"

void string_write(struct machine *machine, struct bytes key, struct bytes contents)
{
    struct storage_key storage_key;
    storage_key_of(&storage_key, machine->group, key);
    struct buf *value = &machine->value;
    buf_clear(value);
    uint8_t header[VALUE_HEADER_SIZE];
    struct writer w = writer_of(header, sizeof header);
    write_u8(&w, VALUE_STRING);
    write_u8(&w, 0);
    write_u64(&w, machine->entry_hlc);
    Q_CHECK(!w.failed);
    buf_append(value, bytes_of(header, sizeof header));
    buf_append(value, contents);
    overlay_put(&machine->overlay, storage_key_bytes(&storage_key), buf_bytes(value));
}

int string_get(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct value value;
    const int err = value_read(machine, request->args[0], &value);
    if (err != Q_OK) {
        return err;
    }
    if (!value.exists) {
        reply_nil(reply);
    } else if (value.type != VALUE_STRING) {
        reply_wrong_type(reply);
    } else {
        reply_bulk(reply, value.contents);
    }
    value_release(machine, &value);
    return Q_OK;
}

static bool set_is_plain(const struct machine *machine, const struct request *request)
{
    const uint32_t conditions = REQUEST_NX | REQUEST_XX | REQUEST_RETURN_OLD | REQUEST_IFEQ;
    return (request->flags & conditions) == 0 && machine->meta.list_count == 0;
}

/* Whether the conditions of a SET hold for the value there now. */
static bool set_may_write(const struct request *request, const struct value *old)
{
    if ((request->flags & REQUEST_NX) != 0 && old->exists) {
        return false;
    }
    if ((request->flags & REQUEST_XX) != 0 && !old->exists) {
        return false;
    }
    if ((request->flags & REQUEST_IFEQ) != 0) {
        return old->exists && bytes_equal(old->contents, request->args[2]);
    }
    return true;
}

int string_set(struct machine *machine, const struct request *request, struct buf *reply)
{
    /* While the shard holds no list a plain SET overwrites whatever is there without looking. */
    if (set_is_plain(machine, request)) {
        string_write(machine, request->args[0], request->args[1]);
        reply_status(reply, "OK");
        return Q_OK;
    }
    struct value old;
    const int err = value_read(machine, request->args[0], &old);
    if (err != Q_OK) {
        return err;
    }
    const bool returns_old = (request->flags & REQUEST_RETURN_OLD) != 0;
    const bool looks_inside = returns_old || (request->flags & REQUEST_IFEQ) != 0;
    if (looks_inside && old.exists && old.type != VALUE_STRING) {
        reply_wrong_type(reply);
        value_release(machine, &old);
        return Q_OK;
    }
    const bool writes = set_may_write(request, &old);
    Q_MARK_IF(MACHINE_CONDITION_FAILED, !writes);
    if (returns_old && old.exists) {
        reply_bulk(reply, old.contents);
    } else if (returns_old || !writes) {
        reply_nil(reply);
    } else {
        reply_status(reply, "OK");
    }
    if (writes) {
        if (old.exists && old.type != VALUE_STRING) {
            Q_MARK(MACHINE_LIST_OVERWRITTEN);
            key_remove(machine, request->args[0], &old);
        }
        string_write(machine, request->args[0], request->args[1]);
    }
    value_release(machine, &old);
    return Q_OK;
}

int string_append(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct value old;
    const int err = value_read(machine, request->args[0], &old);
    if (err != Q_OK) {
        return err;
    }
    const size_t size = old.contents.size + request->args[1].size;
    if (old.exists && old.type != VALUE_STRING) {
        reply_wrong_type(reply);
    } else if (size > VALUE_SIZE_MAX) {
        reply_error(reply, "TOOBIG", "the value would exceed %zu bytes", VALUE_SIZE_MAX);
    } else {
        struct buf joined = {0};
        buf_append(&joined, old.contents);
        buf_append(&joined, request->args[1]);
        string_write(machine, request->args[0], buf_bytes(&joined));
        buf_deinit(&joined);
        reply_integer(reply, (int64_t)size);
    }
    value_release(machine, &old);
    return Q_OK;
}

int string_length(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct value value;
    const int err = value_read(machine, request->args[0], &value);
    if (err != Q_OK) {
        return err;
    }
    if (value.exists && value.type != VALUE_STRING) {
        reply_wrong_type(reply);
    } else {
        reply_integer(reply, (int64_t)value.contents.size);
    }
    value_release(machine, &value);
    return Q_OK;
}

int string_range(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct value value;
    const int err = value_read(machine, request->args[0], &value);
    if (err != Q_OK) {
        return err;
    }
    if (value.exists && value.type != VALUE_STRING) {
        reply_wrong_type(reply);
        value_release(machine, &value);
        return Q_OK;
    }
    const int64_t size = (int64_t)value.contents.size;
    int64_t start = request->a < 0 ? request->a + size : request->a;
    int64_t end = request->b < 0 ? request->b + size : request->b;
    /* Both negative and crossed is empty even where clamping would make them meet (as Redis). */
    const bool crossed = request->a < 0 && request->b < 0 && request->a > request->b;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= size ? size - 1 : end;
    if (crossed || start > end || size == 0) {
        reply_bulk(reply, (struct bytes){0});
    } else {
        reply_bulk(reply, bytes_of(value.contents.data + start, (size_t)(end - start + 1)));
    }
    value_release(machine, &value);
    return Q_OK;
}

int string_increment(struct machine *machine, const struct request *request, struct buf *reply)
{
    struct value old;
    const int err = value_read(machine, request->args[0], &old);
    if (err != Q_OK) {
        return err;
    }
    int64_t number = 0;
    int64_t sum = 0;
    if (old.exists && old.type != VALUE_STRING) {
        reply_wrong_type(reply);
    } else if (old.exists && !bytes_to_int64(old.contents, &number)) {
        Q_MARK(MACHINE_NOT_A_NUMBER);
        reply_error(reply, "ERR", "value is not an integer or out of range");
    } else if (__builtin_add_overflow(number, request->a, &sum)) {
        reply_error(reply, "ERR", "increment or decrement would overflow");
    } else {
        uint8_t text[20];
        const size_t size = bytes_from_int64(sum, text);
        string_write(machine, request->args[0], bytes_of(text, size));
        reply_integer(reply, sum);
    }
    value_release(machine, &old);
    return Q_OK;
}

int string_get_many(struct machine *machine, const struct request *request, struct buf *reply)
{
    reply_array(reply, request->arg_count);
    const size_t start = buf_size(reply);
    for (size_t i = 0; i < request->arg_count; i++) {
        struct value value;
        const int err = value_read(machine, request->args[i], &value);
        if (err != Q_OK) {
            return err;
        }
        if (value.exists && value.type == VALUE_STRING) {
            reply_bulk(reply, value.contents);
        } else {
            reply_nil(reply);
        }
        value_release(machine, &value);
        if (buf_size(reply) - start > REPLY_SIZE_MAX) {
            return Q_OK; /* machine_read replaces the reply by an error. */
        }
    }
    return Q_OK;
}

int string_set_many(struct machine *machine, const struct request *request, struct buf *reply)
{
    for (size_t i = 0; i + 1 < request->arg_count; i += 2) {
        if (machine->meta.list_count > 0) {
            struct value old;
            const int err = value_read(machine, request->args[i], &old);
            if (err != Q_OK) {
                return err;
            }
            if (old.exists && old.type != VALUE_STRING) {
                key_remove(machine, request->args[i], &old);
            }
            value_release(machine, &old);
        }
        string_write(machine, request->args[i], request->args[i + 1]);
    }
    reply_status(reply, "OK");
    return Q_OK;
}
