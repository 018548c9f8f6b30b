/* Commands on keys of any type, and what the families share. */
#include "front/resp_handlers.h"

/* COUNT is a hint; a larger one would make one loop turn, and one reply, too long. */
#define SCAN_COUNT_DEFAULT 10
#define SCAN_COUNT_MAX     10000

bool call_integer(struct call *call, struct bytes text, int64_t *out_value)
{
    if (!bytes_to_int64(text, out_value)) {
        resp_print_error_format(call->out, "ERR", "value is not an integer or out of range");
        return false;
    }
    return true;
}

bool call_syntax_error(struct call *call)
{
    resp_print_error_format(call->out, "ERR", "syntax error");
    return false;
}

bool prepare_plain(struct call *call)
{
    call->request.args = call->args + 1;
    call->request.arg_count = call->arg_count - 1;
    return true;
}

static bool scan_type(struct call *call, struct bytes type)
{
    if (bytes_equal_word(type, "STRING")) {
        call->request.flags = REQUEST_SCAN_STRING;
        return true;
    }
    if (bytes_equal_word(type, "LIST")) {
        call->request.flags = REQUEST_SCAN_LIST;
        return true;
    }
    resp_print_error_format(call->out, "ERR", "unknown type; possible are: string, list");
    return false;
}

static bool scan_count(struct call *call, struct bytes text)
{
    int64_t count = 0;
    if (!call_integer(call, text, &count)) {
        return false;
    }
    if (count < 1) {
        return call_syntax_error(call);
    }
    call->request.b = count < SCAN_COUNT_MAX ? count : SCAN_COUNT_MAX;
    return true;
}

bool prepare_scan(struct call *call)
{
    if (!bytes_to_int64(call->args[1], &call->request.a) || call->request.a < 0) {
        resp_print_error_format(call->out, "ERR", "invalid cursor");
        return false;
    }
    call->request.b = SCAN_COUNT_DEFAULT;
    call->shape = SHAPE_SCAN;
    struct bytes *pattern = &call->args[1]; /* The cursor's place: it was read. */
    call->request.args = pattern;
    for (size_t i = 2; i < call->arg_count; i += 2) {
        if (i + 1 == call->arg_count) {
            return call_syntax_error(call);
        }
        const struct bytes value = call->args[i + 1];
        bool taken = true;
        if (bytes_equal_word(call->args[i], "MATCH")) {
            *pattern = value;
            call->request.arg_count = 1;
        } else if (bytes_equal_word(call->args[i], "COUNT")) {
            taken = scan_count(call, value);
        } else if (bytes_equal_word(call->args[i], "TYPE")) {
            taken = scan_type(call, value);
        } else {
            taken = call_syntax_error(call);
        }
        if (!taken) {
            return false;
        }
    }
    return true;
}
