#include "base/mark.h"
#include "front/resp_session.h"

/* <unix ms>-<name>. 15 digits reach the year 33658. */
#define ID_DIGITS_MAX 15
#define ID_NAME_MAX   40

_Static_assert(ID_DIGITS_MAX + 1 + ID_NAME_MAX == REQUEST_ID_SIZE_MAX, "an id fits its limit");

static bool is_id_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '-';
}

static bool is_request_id(struct bytes id)
{
    size_t digits = 0;
    while (digits < id.size && id.data[digits] >= '0' && id.data[digits] <= '9') {
        digits++;
    }
    if (digits == 0 || digits > ID_DIGITS_MAX || digits == id.size || id.data[digits] != '-') {
        return false;
    }
    /* One spelling per time, or one id could be two. */
    if (id.data[0] == '0') {
        return false;
    }
    const size_t name_size = id.size - digits - 1;
    for (size_t i = digits + 1; i < id.size; i++) {
        if (!is_id_char(id.data[i])) {
            return false;
        }
    }
    return name_size >= 1 && name_size <= ID_NAME_MAX;
}

static bool take_level(struct call *call, struct bytes value)
{
    const bool writes = op_writes(call->command->op);
    if (bytes_equal_word(value, "LINEARIZABLE")) {
        call->request.level = LEVEL_LINEARIZABLE;
        return true;
    }
    if (bytes_equal_word(value, "LOCAL")) {
        if (writes) {
            Q_MARK(FRONT_LEVEL_REFUSED);
            resp_print_error_format(call->out, "LEVEL",
                                    "local is for reads; a write here can be: linearizable");
            return false;
        }
        call->request.level = LEVEL_LOCAL;
        return true;
    }
    resp_print_error_format(call->out, "LEVEL", "'%.*s' is not possible; a %s here can be: %s",
                            (int)(value.size < 32 ? value.size : 32), (const char *)value.data,
                            writes ? "write" : "read",
                            writes ? "linearizable" : "linearizable, local");
    return false;
}

static bool take_max_stale(struct call *call, struct bytes value)
{
    int64_t ms = 0;
    if (op_writes(call->command->op)) {
        resp_print_error_format(call->out, "ERR", "MAXSTALE is for reads");
        return false;
    }
    if (!bytes_to_int64(value, &ms) || ms <= 0) {
        resp_print_error_format(call->out, "ERR", "MAXSTALE must be a positive number of ms");
        return false;
    }
    call->request.max_stale_ms = (uint64_t)ms;
    return true;
}

static bool take_request_id(struct call *call, struct bytes value)
{
    if (!op_writes(call->command->op)) {
        resp_print_error_format(call->out, "ERR", "REQID is for writes");
        return false;
    }
    if (!is_request_id(value)) {
        Q_MARK(FRONT_ID_REFUSED);
        resp_print_error_format(call->out, "ERR",
                                "REQID must be <unix ms>-<1 to 40 of A-Z a-z 0-9 _ ->");
        return false;
    }
    call->request.request_id = value;
    return true;
}

bool resp_options_take(struct call *call)
{
    const int arity = call->command->arity;
    const size_t needed = (size_t)(arity < 0 ? -arity : arity);
    bool has_level = false;
    bool has_max_stale = false;
    bool has_id = false;
    while (call->arg_count >= needed + 2) {
        const struct bytes name = call->args[call->arg_count - 2];
        const struct bytes value = call->args[call->arg_count - 1];
        bool taken = false;
        if (!has_level && bytes_equal_word(name, "LEVEL")) {
            has_level = true;
            taken = take_level(call, value);
        } else if (!has_max_stale && bytes_equal_word(name, "MAXSTALE")) {
            has_max_stale = true;
            taken = take_max_stale(call, value);
        } else if (!has_id && bytes_equal_word(name, "REQID")) {
            has_id = true;
            taken = take_request_id(call, value);
        } else {
            break;
        }
        if (!taken) {
            return false;
        }
        call->arg_count -= 2;
    }
    if (has_max_stale && call->request.level != LEVEL_LOCAL) {
        resp_print_error_format(call->out, "ERR", "MAXSTALE needs LEVEL local");
        return false;
    }
    return true;
}
