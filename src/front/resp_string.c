/* Commands on strings. */
#include "front/resp_handlers.h"

static void take_key_and_value(struct call *call)
{
    call->request.args = call->args + 1;
    call->request.arg_count = 2;
}

static bool is_expiry(struct bytes option)
{
    return bytes_equal_word(option, "EX") || bytes_equal_word(option, "PX") ||
           bytes_equal_word(option, "EXAT") || bytes_equal_word(option, "PXAT") ||
           bytes_equal_word(option, "KEEPTTL");
}

/* One option of SET at args[*at]; moves *at behind it. */
static bool set_option(struct call *call, size_t *at)
{
    const uint32_t conditions = REQUEST_NX | REQUEST_XX | REQUEST_IFEQ;
    const struct bytes option = call->args[(*at)++];
    if (is_expiry(option)) {
        resp_print_error_format(call->out, "ERR", "expiry is not supported yet");
        return false;
    }
    uint32_t flag = 0;
    if (bytes_equal_word(option, "GET")) {
        call->request.flags |= REQUEST_RETURN_OLD;
        return true;
    }
    if (bytes_equal_word(option, "NX")) {
        flag = REQUEST_NX;
    } else if (bytes_equal_word(option, "XX")) {
        flag = REQUEST_XX;
    } else if (bytes_equal_word(option, "IFEQ") && *at < call->arg_count) {
        flag = REQUEST_IFEQ;
        /* args[3] was read already: it is this option or one before it. */
        call->args[3] = call->args[(*at)++];
        call->request.arg_count = 3;
    }
    if (flag == 0 || (call->request.flags & conditions) != 0) {
        return call_syntax_error(call);
    }
    call->request.flags |= flag;
    return true;
}

bool prepare_set(struct call *call)
{
    take_key_and_value(call);
    for (size_t at = 3; at < call->arg_count;) {
        if (!set_option(call, &at)) {
            return false;
        }
    }
    return true;
}

bool prepare_setnx(struct call *call)
{
    take_key_and_value(call);
    call->request.flags = REQUEST_NX;
    call->shape = SHAPE_OK_AS_ONE;
    return true;
}

bool prepare_getset(struct call *call)
{
    take_key_and_value(call);
    call->request.flags = REQUEST_RETURN_OLD;
    return true;
}

bool prepare_mset(struct call *call)
{
    if (call->arg_count % 2 == 0) {
        resp_print_error_format(call->out, "ERR", "wrong number of arguments for 'mset' command");
        return false;
    }
    return prepare_plain(call);
}

bool prepare_getrange(struct call *call)
{
    call->request.args = call->args + 1;
    call->request.arg_count = 1;
    return call_integer(call, call->args[2], &call->request.a) &&
           call_integer(call, call->args[3], &call->request.b);
}

static bool prepare_increment(struct call *call, int64_t delta)
{
    call->request.args = call->args + 1;
    call->request.arg_count = 1;
    call->request.a = delta;
    return true;
}

bool prepare_incr(struct call *call)
{
    return prepare_increment(call, 1);
}

bool prepare_decr(struct call *call)
{
    return prepare_increment(call, -1);
}

bool prepare_incrby(struct call *call)
{
    int64_t delta = 0;
    return call_integer(call, call->args[2], &delta) && prepare_increment(call, delta);
}

bool prepare_decrby(struct call *call)
{
    int64_t delta = 0;
    if (!call_integer(call, call->args[2], &delta)) {
        return false;
    }
    if (delta == INT64_MIN) {
        resp_print_error_format(call->out, "ERR", "decrement would overflow");
        return false;
    }
    return prepare_increment(call, -delta);
}
