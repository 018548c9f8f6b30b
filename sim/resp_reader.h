/* Reads RESP2 replies the way a client does; independent of wire/resp, which it helps to test. */
#ifndef Q_SIM_RESP_READER_H
#define Q_SIM_RESP_READER_H

#include "base/bytes.h"
#include "base/os/buf.h"

enum resp_kind { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_BULK, RESP_NIL, RESP_ARRAY };

struct resp_reply {
    enum resp_kind kind;
    int64_t integer;
    /* STATUS, ERROR, BULK: the text, borrowed from the input. ARRAY: its elements, those of arrays
     * inside it too, joined by ',' and borrowed from the `joined` given; NIL is "(nil)". */
    struct bytes text;
};

/* Reads the reply at the front of `in`. Q_OK; Q_EAGAIN when more bytes are needed; Q_EPROTO. */
int resp_read(struct bytes in, struct buf *joined, struct resp_reply *out, size_t *out_consumed);

#endif
