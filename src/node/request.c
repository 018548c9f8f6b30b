#include "node/request.h"

#include "base/check.h"
#include "base/err.h"

/* Layout: op u8 | level u8 | flags u8 | present u8 | those fields that are present, in the order of
 * the bits below | argument count u32 | each argument as u32 size, bytes. Fields that are zero are
 * absent, so that the common request costs 8 bytes in the log besides its arguments. */
enum present { PRESENT_MAX_STALE = 1, PRESENT_A = 2, PRESENT_B = 4, PRESENT_ID = 8 };
#define PRESENT_ALL 15U
#define FLAGS_ALL   63U
#define HEAD_SIZE   8U

_Static_assert(REQUEST_ID_SIZE_MAX <= UINT8_MAX, "the id's size is one byte");

static const struct {
    bool is_known;
    bool writes;
} ops[] = {
#define X(name, number, is_write) [number] = {.is_known = true, .writes = (is_write)},
    OP_MAP(X)
#undef X
};

static bool op_is_known(uint8_t op)
{
    return op < sizeof ops / sizeof ops[0] && ops[op].is_known;
}

bool op_writes(enum op op)
{
    Q_CHECK(op_is_known((uint8_t)op));
    return ops[op].writes;
}

static uint8_t present_of(const struct request *request)
{
    uint8_t present = 0;
    present |= request->max_stale_ms != 0 ? PRESENT_MAX_STALE : 0;
    present |= request->a != 0 ? PRESENT_A : 0;
    present |= request->b != 0 ? PRESENT_B : 0;
    present |= request->request_id.size != 0 ? PRESENT_ID : 0;
    return present;
}

size_t request_encoded_size(const struct request *request)
{
    size_t size = HEAD_SIZE;
    size += request->max_stale_ms != 0 ? 8 : 0;
    size += request->a != 0 ? 8 : 0;
    size += request->b != 0 ? 8 : 0;
    size += request->request_id.size != 0 ? 1 + request->request_id.size : 0;
    for (size_t i = 0; i < request->arg_count; i++) {
        size += 4 + request->args[i].size;
    }
    return size;
}

void request_encode(const struct request *request, struct writer *w)
{
    Q_CHECK(op_is_known((uint8_t)request->op));
    Q_CHECK(request->flags <= FLAGS_ALL && request->arg_count <= REQUEST_ARGS_MAX);
    Q_CHECK(request->request_id.size <= REQUEST_ID_SIZE_MAX);
    write_u8(w, (uint8_t)request->op);
    write_u8(w, (uint8_t)request->level);
    write_u8(w, (uint8_t)request->flags);
    write_u8(w, present_of(request));
    if (request->max_stale_ms != 0) {
        write_u64(w, request->max_stale_ms);
    }
    if (request->a != 0) {
        write_u64(w, (uint64_t)request->a);
    }
    if (request->b != 0) {
        write_u64(w, (uint64_t)request->b);
    }
    if (request->request_id.size != 0) {
        write_u8(w, (uint8_t)request->request_id.size);
        write_bytes(w, request->request_id);
    }
    write_u32(w, (uint32_t)request->arg_count);
    for (size_t i = 0; i < request->arg_count; i++) {
        write_sized(w, request->args[i]);
    }
}

/* Whoever applies a request indexes its arguments by what the operation takes (OP_MAP). */
static bool args_fit_op(const struct request *request)
{
    const size_t count = request->arg_count;
    switch (request->op) {
    case OP_GET:
    case OP_STRLEN:
    case OP_GETRANGE:
    case OP_INCRBY:
    case OP_LRANGE:
    case OP_LLEN:
    case OP_LPOP:
    case OP_RPOP:
    case OP_TYPE: return count == 1;
    case OP_SET: return count == ((request->flags & REQUEST_IFEQ) != 0 ? 3U : 2U);
    case OP_APPEND: return count == 2;
    case OP_DEL:
    case OP_EXISTS:
    case OP_MGET: return count >= 1;
    case OP_MSET: return count >= 2 && count % 2 == 0;
    case OP_RPUSH:
    case OP_LPUSH: return count >= 2;
    case OP_SCAN: return count <= 1;
    case OP_DBSIZE:
    case OP_NOTHING: return count == 0;
    }
    return false;
}

/* A present field must not be zero: one request has one encoding. */
static void read_present(struct reader *r, struct request *request)
{
    const uint8_t present = read_u8(r);
    if (present > PRESENT_ALL) {
        r->failed = true;
        return;
    }
    if ((present & PRESENT_MAX_STALE) != 0) {
        request->max_stale_ms = read_u64(r);
    }
    if ((present & PRESENT_A) != 0) {
        request->a = (int64_t)read_u64(r);
    }
    if ((present & PRESENT_B) != 0) {
        request->b = (int64_t)read_u64(r);
    }
    if ((present & PRESENT_ID) != 0) {
        request->request_id = read_bytes(r, read_u8(r));
    }
    if (present_of(request) != present || request->request_id.size > REQUEST_ID_SIZE_MAX) {
        r->failed = true;
    }
}

int request_decode(struct bytes in, struct request *out_request, struct bytes *args)
{
    struct reader r = reader_of(in);
    const uint8_t op = read_u8(&r);
    const uint8_t level = read_u8(&r);
    const uint8_t flags = read_u8(&r);
    if (!op_is_known(op) || level > LEVEL_LOCAL || flags > FLAGS_ALL) {
        return Q_EPROTO;
    }
    struct request request = {.op = (enum op)op, .level = (enum level)level, .flags = flags};
    read_present(&r, &request);
    const uint32_t count = read_u32(&r);
    if (r.failed || count > REQUEST_ARGS_MAX) {
        return Q_EPROTO;
    }
    for (uint32_t i = 0; i < count && !r.failed; i++) {
        args[i] = read_sized(&r);
    }
    request.args = args;
    request.arg_count = count;
    if (!reader_is_done(&r) || !args_fit_op(&request)) {
        return Q_EPROTO;
    }
    *out_request = request;
    return Q_OK;
}
