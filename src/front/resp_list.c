/* Commands on lists. */
#include "front/resp_handlers.h"

bool prepare_lrange(struct call *call)
{
    call->request.args = call->args + 1;
    call->request.arg_count = 1;
    return call_integer(call, call->args[2], &call->request.a) &&
           call_integer(call, call->args[3], &call->request.b);
}

bool prepare_pop(struct call *call)
{
    call->request.args = call->args + 1;
    call->request.arg_count = 1;
    call->request.a = -1; /* One element, not an array. */
    if (call->arg_count == 2) {
        return true;
    }
    if (call->arg_count > 3) {
        resp_print_error_format(call->out, "ERR", "wrong number of arguments for '%s' command",
                                call->command->name);
        return false;
    }
    int64_t count = 0;
    if (!bytes_to_int64(call->args[2], &count) || count < 0) {
        resp_print_error_format(call->out, "ERR", "value is out of range, must be positive");
        return false;
    }
    call->request.a = count;
    call->shape = SHAPE_NIL_AS_ARRAY;
    return true;
}
