/* CLIENT and its subcommands. */
#include "front/resp_client.h"

#include "front/resp_handlers.h"

static void print_ok(struct call *call)
{
    resp_print_status(call->out, bytes_of_text("OK"));
}

bool client_name_set(char name[CLIENT_NAME_SIZE], struct bytes value)
{
    if (value.size >= CLIENT_NAME_SIZE) {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '!' || value.data[i] > '~') {
            return false;
        }
    }
    memcpy(name, value.data, value.size);
    name[value.size] = '\0';
    return true;
}

static void print_bad_name(struct call *call)
{
    resp_print_error_format(call->out, "ERR",
                            "Client names cannot contain spaces, newlines or special characters, "
                            "and have at most 64 bytes");
}

void answer_client_id(struct call *call)
{
    resp_print_integer(call->out, (int64_t)call->resp->session->id);
}

void answer_client_getname(struct call *call)
{
    if (call->resp->name[0] == '\0') {
        resp_print_nil(call->out, call->protocol);
        return;
    }
    resp_print_text(call->out, call->resp->name);
}

void answer_client_setname(struct call *call)
{
    if (!client_name_set(call->resp->name, call->args[2])) {
        print_bad_name(call);
        return;
    }
    print_ok(call);
}

void answer_client_setinfo(struct call *call)
{
    char *field = NULL;
    if (bytes_equal_word(call->args[2], "LIB-NAME")) {
        field = call->resp->library_name;
    } else if (bytes_equal_word(call->args[2], "LIB-VER")) {
        field = call->resp->library_version;
    } else {
        const struct bytes option = call->args[2];
        resp_print_error_format(call->out, "ERR", "Unrecognized option '%.*s'",
                                (int)(option.size < 32 ? option.size : 32),
                                (const char *)option.data);
        return;
    }
    if (!client_name_set(field, call->args[3])) {
        print_bad_name(call);
        return;
    }
    print_ok(call);
}

static bool is_on_or_off(struct bytes word)
{
    return bytes_equal_word(word, "ON") || bytes_equal_word(word, "OFF");
}

void answer_client_no_effect(struct call *call)
{
    if (!is_on_or_off(call->args[2])) {
        (void)call_syntax_error(call);
        return;
    }
    print_ok(call);
}

void answer_client_tracking(struct call *call)
{
    if (!bytes_equal_word(call->args[2], "OFF")) {
        resp_print_error_format(call->out, "ERR", "client tracking is not supported");
        return;
    }
    print_ok(call);
}

/* OFF and SKIP have no reply themselves: OFF's is taken back by the session, SKIP prints none. */
void answer_client_reply(struct call *call)
{
    struct resp_session *resp = call->resp;
    if (bytes_equal_word(call->args[2], "ON")) {
        resp->replies_off = false;
        print_ok(call);
    } else if (bytes_equal_word(call->args[2], "OFF")) {
        resp->replies_off = true;
    } else if (bytes_equal_word(call->args[2], "SKIP")) {
        resp->skip_next = !resp->replies_off;
    } else {
        (void)call_syntax_error(call);
    }
}

static void print_line(struct buf *out, const struct session *session, uint64_t now_ms)
{
    const struct resp_session *resp = session->resp;
    const struct command *last = resp->last_command;
    buf_append_format(out, "id=%llu addr=%s name=%s age=%llu ", (unsigned long long)session->id,
                      session->peer, resp->name,
                      (unsigned long long)((now_ms - session->started_at_ms) / 1000));
    buf_append_format(out, "db=0 qbuf=%zu obl=%zu in-flight=%zu resp=%d ",
                      buf_size(&session->input), buf_size(&session->output), resp->in_flight,
                      resp->protocol);
    buf_append_format(out, "cmd=%s lib-name=%s lib-ver=%s\n", last == NULL ? "NULL" : last->name,
                      resp->library_name, resp->library_version);
}

static uint64_t now_of(const struct call *call)
{
    const struct env *env = call->resp->session->front->env;
    return env->monotonic_ms(env->context);
}

void answer_client_info(struct call *call)
{
    struct buf text = {0};
    print_line(&text, call->resp->session, now_of(call));
    resp_print_bulk(call->out, buf_bytes(&text));
    buf_deinit(&text);
}

void answer_client_list(struct call *call)
{
    if (call->arg_count > 2) {
        (void)call_syntax_error(call);
        return;
    }
    struct buf text = {0};
    struct list *sessions = &call->resp->session->front->sessions;
    for (struct list *link = sessions->next; link != sessions; link = link->next) {
        const struct session *session = LIST_ITEM(link, struct session, link);
        if (session->kind == SESSION_RESP) {
            print_line(&text, session, now_of(call));
        }
    }
    resp_print_bulk(call->out, buf_bytes(&text));
    buf_deinit(&text);
}

/* Closes the sessions with this number, or with this address when `number` is 0. */
static int64_t kill_sessions(struct call *call, int64_t number, struct bytes address)
{
    int64_t killed = 0;
    struct list *sessions = &call->resp->session->front->sessions;
    for (struct list *link = sessions->next; link != sessions; link = link->next) {
        struct session *session = LIST_ITEM(link, struct session, link);
        const bool wanted = number != 0 ? session->id == (uint64_t)number
                                        : bytes_equal(bytes_of_text(session->peer), address);
        if (session->kind != SESSION_RESP || !wanted) {
            continue;
        }
        killed++;
        if (session == call->resp->session) {
            call->resp->is_closing = true; /* It still gets this reply. */
        } else {
            session->is_killed = true;
            session_wake(session);
        }
    }
    return killed;
}

void answer_client_kill(struct call *call)
{
    if (call->arg_count == 3) {
        if (kill_sessions(call, 0, call->args[2]) == 0) {
            resp_print_error_format(call->out, "ERR", "No such client");
            return;
        }
        print_ok(call);
        return;
    }
    int64_t number = 0;
    if (call->arg_count == 4 && bytes_equal_word(call->args[2], "ID")) {
        if (!bytes_to_int64(call->args[3], &number) || number <= 0) {
            resp_print_error_format(call->out, "ERR", "client-id should be greater than 0");
            return;
        }
        resp_print_integer(call->out, kill_sessions(call, number, call->args[3]));
        return;
    }
    if (call->arg_count == 4 && bytes_equal_word(call->args[2], "ADDR")) {
        resp_print_integer(call->out, kill_sessions(call, 0, call->args[3]));
        return;
    }
    (void)call_syntax_error(call);
}
