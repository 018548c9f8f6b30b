/* Commands about the connection itself. */
#include "front/resp_client.h"
#include "front/resp_handlers.h"
#include "front/resp_session.h"

static const char *const redis_version = "7.2.0";

static void print_ok(struct call *call)
{
    resp_print_status(call->out, bytes_of_text("OK"));
}

void answer_ping(struct call *call)
{
    if (call->arg_count > 2) {
        resp_print_error_format(call->out, "ERR", "wrong number of arguments for 'ping' command");
    } else if (call->arg_count == 2) {
        resp_print_bulk(call->out, call->args[1]);
    } else {
        resp_print_status(call->out, bytes_of_text("PONG"));
    }
}

void answer_echo(struct call *call)
{
    resp_print_bulk(call->out, call->args[1]);
}

void answer_quit(struct call *call)
{
    call->resp->is_closing = true;
    print_ok(call);
}

void answer_reset(struct call *call)
{
    resp_session_reset(call->resp);
    resp_print_status(call->out, bytes_of_text("RESET"));
}

void answer_select(struct call *call)
{
    int64_t number = 0;
    if (!call_integer(call, call->args[1], &number)) {
        return;
    }
    if (number != 0) {
        resp_print_error_format(call->out, "ERR", "DB index is out of range");
        return;
    }
    print_ok(call);
}

static void print_no_users(struct call *call)
{
    resp_print_error_format(call->out, "ERR",
                            "AUTH called, but this server has no users: connect without a "
                            "password");
}

void answer_auth(struct call *call)
{
    print_no_users(call);
}

static void print_greeting(struct call *call)
{
    const struct session *session = call->resp->session;
    struct buf *out = call->out;
    resp_print_map(out, call->protocol, 7);
    resp_print_text(out, "server");
    resp_print_text(out, "quorate");
    resp_print_text(out, "version");
    resp_print_text(out, redis_version);
    resp_print_text(out, "proto");
    resp_print_integer(out, call->protocol);
    resp_print_text(out, "id");
    resp_print_integer(out, (int64_t)session->id);
    resp_print_text(out, "mode");
    resp_print_text(out, "standalone");
    resp_print_text(out, "role");
    resp_print_text(out, "master");
    resp_print_text(out, "modules");
    resp_print_array(out, 0);
}

/* Reads the options behind the version. False after printing an error. */
static bool take_hello_options(struct call *call, struct bytes *out_name, bool *out_has_name)
{
    for (size_t i = 2; i < call->arg_count;) {
        if (bytes_equal_word(call->args[i], "AUTH") && i + 2 < call->arg_count) {
            print_no_users(call);
            return false;
        }
        if (!bytes_equal_word(call->args[i], "SETNAME") || i + 1 >= call->arg_count) {
            const struct bytes option = call->args[i];
            resp_print_error_format(call->out, "ERR", "syntax error in HELLO option '%.*s'",
                                    (int)(option.size < 32 ? option.size : 32),
                                    (const char *)option.data);
            return false;
        }
        *out_name = call->args[i + 1];
        *out_has_name = true;
        i += 2;
    }
    return true;
}

void answer_hello(struct call *call)
{
    int64_t version = call->resp->protocol;
    if (call->arg_count > 1) {
        if (!bytes_to_int64(call->args[1], &version)) {
            resp_print_error_format(call->out, "ERR",
                                    "Protocol version is not an integer or out of range");
            return;
        }
        if (version != RESP2 && version != RESP3) {
            resp_print_error_format(call->out, "NOPROTO", "unsupported protocol version");
            return;
        }
    }
    struct bytes name = {0};
    bool has_name = false;
    if (!take_hello_options(call, &name, &has_name)) {
        return;
    }
    if (has_name && !client_name_set(call->resp->name, name)) {
        resp_print_error_format(call->out, "ERR",
                                "Client names cannot contain spaces, newlines or special "
                                "characters, and have at most 64 bytes");
        return;
    }
    call->resp->protocol = (int)version;
    call->protocol = (int)version;
    print_greeting(call);
}
