#include "sim/resp_reader.h"

#include "base/err.h"

/* The line after the type byte at `*at`; moves `*at` behind its CRLF. */
static int read_line(struct bytes in, size_t *at, struct bytes *out_line)
{
    for (size_t i = *at; i + 1 < in.size; i++) {
        if (in.data[i] == '\r') {
            *out_line = bytes_of(in.data + *at, i - *at);
            *at = i + 2;
            return in.data[i + 1] == '\n' ? Q_OK : Q_EPROTO;
        }
    }
    return Q_EAGAIN;
}

/* One reply that is not an array; for '*' only its header. */
static int read_one(struct bytes in, size_t *at, struct resp_reply *out)
{
    if (*at >= in.size) {
        return Q_EAGAIN;
    }
    const uint8_t type = in.data[(*at)++];
    struct bytes line;
    const int err = read_line(in, at, &line);
    if (err != Q_OK) {
        return err;
    }
    *out = (struct resp_reply){.text = line};
    if (type == '+' || type == '-') {
        out->kind = type == '+' ? RESP_STATUS : RESP_ERROR;
        return Q_OK;
    }
    if (!bytes_to_int64(line, &out->integer)) {
        return Q_EPROTO;
    }
    if (type == ':') {
        out->kind = RESP_INTEGER;
        return Q_OK;
    }
    if (type != '$' && type != '*') {
        return Q_EPROTO;
    }
    if (out->integer < 0) {
        out->kind = RESP_NIL;
        return out->integer == -1 ? Q_OK : Q_EPROTO;
    }
    out->kind = type == '*' ? RESP_ARRAY : RESP_BULK;
    if (type == '*') {
        return Q_OK;
    }
    const size_t size = (size_t)out->integer;
    if (in.size - *at < size + 2) {
        return Q_EAGAIN;
    }
    out->text = bytes_of(in.data + *at, size);
    *at += size + 2;
    return memcmp(in.data + *at - 2, "\r\n", 2) == 0 ? Q_OK : Q_EPROTO;
}

int resp_read(struct bytes in, struct buf *joined, struct resp_reply *out, size_t *out_consumed)
{
    size_t at = 0;
    int err = read_one(in, &at, out);
    if (err != Q_OK) {
        return err;
    }
    if (out->kind == RESP_ARRAY) {
        buf_clear(joined);
        int64_t left = out->integer;
        while (left > 0) {
            struct resp_reply item;
            err = read_one(in, &at, &item);
            if (err != Q_OK) {
                return err;
            }
            left += item.kind == RESP_ARRAY ? item.integer - 1 : -1;
            if (item.kind == RESP_ARRAY) {
                continue;
            }
            if (item.kind != RESP_BULK && item.kind != RESP_NIL) {
                return Q_EPROTO;
            }
            buf_append_text(joined, buf_size(joined) > 0 ? "," : "");
            buf_append(joined, item.kind == RESP_NIL ? bytes_of_text("(nil)") : item.text);
        }
        out->text = buf_bytes(joined);
    }
    *out_consumed = at;
    return Q_OK;
}
