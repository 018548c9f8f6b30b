#include "front/http_session.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "node/reply.h"

#include <jansson.h>

struct http_session *http_session_new(struct session *session)
{
    /* Else a page would lack, without a word, what there was no memory for. */
    json_set_alloc_funcs(heap_alloc_raw, heap_free);
    struct http_session *http = heap_alloc(sizeof *http);
    http->session = session;
    http_parser_init(&http->parser, HTTP_BODY_MAX);
    return http;
}

void http_session_free(struct http_session *http)
{
    if (http == NULL) {
        return;
    }
    if (http->is_waiting) {
        node_cancel(http->session->front->node, &http->node_request);
    }
    heap_free(http);
}

/* --- Answers --- */

static void answer(struct http_session *http, int status, const char *allow, struct bytes body)
{
    uint8_t head_text[HTTP_HEAD_PRINTED_MAX];
    struct writer w = writer_of(head_text, sizeof head_text);
    const struct http_head head = {.status = status,
                                   .content_type = "application/json",
                                   .content_length = body.size,
                                   .close = http->close_after,
                                   .allow = allow};
    http_print_head(&w, &head);
    Q_CHECK(!w.failed);
    buf_append(&http->session->output, bytes_of(head_text, writer_size(&w)));
    if (!http->is_head) {
        buf_append(&http->session->output, body);
    }
    http->is_closing = http->close_after;
}

static int append_json(const char *text, size_t size, void *out)
{
    buf_append(out, bytes_of(text, size));
    return 0;
}

/* Takes over `json`. */
static void answer_json(struct http_session *http, int status, const char *allow, json_t *json)
{
    struct buf body = {0};
    const int dumped = json_dump_callback(json, append_json, &body, JSON_COMPACT);
    Q_CHECK(dumped == 0);
    buf_append_text(&body, "\n");
    answer(http, status, allow, buf_bytes(&body));
    buf_deinit(&body);
    json_decref(json);
}

/* Bytes that may not be UTF-8, as JSON text: anything but printable ASCII becomes '?'. */
static json_t *json_of_bytes(struct bytes bytes)
{
    char text[1024];
    size_t size = 0;
    for (; size < bytes.size && size < sizeof text; size++) {
        const uint8_t c = bytes.data[size];
        text[size] = (char)(c >= ' ' && c <= '~' ? c : (uint8_t)'?');
    }
    return json_stringn(text, size);
}

static void answer_error(struct http_session *http,
                         int status,
                         const char *error,
                         const char *message,
                         struct bytes detail)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "error", json_string(error));
    (void)json_object_set_new(json, "message", json_string(message));
    (void)json_object_set_new(json, "detail", json_of_bytes(detail));
    answer_json(http, status, status == 405 ? "GET, HEAD" : NULL, json);
}

/* --- Pages --- */

static void serve_livez(struct http_session *http)
{
    answer(http, 200, NULL, bytes_of_text("{\"alive\":true}\n"));
}

static void serve_version(struct http_session *http)
{
    answer(http, 200, NULL, bytes_of_text("{\"version\":\"" QUORATE_VERSION "\"}\n"));
}

static void serve_status(struct http_session *http)
{
    struct node_status status;
    node_status(http->session->front->node, &status);
    struct buf body = {0};
    http_status_print(&body, &status);
    answer(http, 200, NULL, buf_bytes(&body));
    buf_deinit(&body);
}

static void answer_not_ready(struct http_session *http, const char *message, struct bytes detail)
{
    answer_error(http, 503, "not_ready", message, detail);
}

static void on_ready(struct node_request *request, struct bytes reply)
{
    struct http_session *http = request->owner;
    Q_CHECK(http->is_waiting);
    http->is_waiting = false;
    struct reader r = reader_of(reply);
    struct reply_item item;
    const bool read = reply_read(&r, &item);
    if (read && item.kind == REPLY_STATUS) {
        const bool local = http->level == LEVEL_LOCAL;
        answer(http, 200, NULL,
               bytes_of_text(local ? "{\"ready\":true,\"level\":\"local\"}\n"
                                   : "{\"ready\":true,\"level\":\"linearizable\"}\n"));
    } else {
        const bool told = read && item.kind == REPLY_ERROR;
        answer_not_ready(http, "this level cannot be served here now",
                         told ? item.bytes : bytes_of_text("the node gave no reason"));
    }
    session_wake(http->session);
}

static void serve_readyz(struct http_session *http)
{
    struct bytes level = bytes_of_text("linearizable");
    (void)http_query_find(http->request.query, "level", &level);
    if (bytes_equal_word(level, "LINEARIZABLE")) {
        http->level = LEVEL_LINEARIZABLE;
    } else if (bytes_equal_word(level, "LOCAL")) {
        http->level = LEVEL_LOCAL;
    } else {
        answer_error(http, 400, "bad_level", "possible levels are: linearizable, local", level);
        return;
    }
    struct node_status status;
    node_status(http->session->front->node, &status);
    if (!status.booted) {
        answer_not_ready(http, "starting", bytes_of_text(status.waiting_for));
        return;
    }
    http->node_request = (struct node_request){.request = {.op = OP_NOTHING, .level = http->level},
                                               .timeout_ms = HTTP_READY_TIMEOUT_MS,
                                               .done = on_ready,
                                               .owner = http};
    http->is_waiting = true;
    node_submit(http->session->front->node, &http->node_request);
}

static const struct page {
    const char *path;
    void (*serve)(struct http_session *http);
} pages[] = {
    {"/livez", serve_livez},
    {"/readyz", serve_readyz},
    {"/status", serve_status},
    {"/version", serve_version},
};

static void serve(struct http_session *http)
{
    const struct http_request *request = &http->request;
    http->is_head = request->method == HTTP_METHOD_HEAD;
    http->close_after = !request->keep_alive;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (!bytes_equal(request->path, bytes_of_text(pages[i].path))) {
            continue;
        }
        if (request->method != HTTP_METHOD_GET && !http->is_head) {
            answer_error(http, 405, "method_not_allowed", "only GET and HEAD are possible here",
                         request->path);
            return;
        }
        pages[i].serve(http);
        return;
    }
    answer_error(http, 404, "not_found", "there is no such page", request->path);
}

/* --- Input --- */

static void refuse_input(struct http_session *http)
{
    http->is_head = false;
    http->close_after = true;
    answer_error(http, http->parser.status, "bad_request", http->parser.error, bytes_of(NULL, 0));
}

static bool has_room(const struct http_session *http)
{
    return !http->is_closing && !http->is_waiting &&
           buf_size(&http->session->output) < SESSION_OUTPUT_MAX;
}

void http_session_process(struct http_session *http)
{
    struct buf *input = &http->session->input;
    while (has_room(http) && buf_size(input) > 0) {
        size_t consumed = 0;
        const int result = http_parse(&http->parser, input->data + input->start, buf_size(input),
                                      &http->request, &consumed);
        if (result == Q_EAGAIN) {
            break;
        }
        if (result != Q_OK) {
            refuse_input(http);
            break;
        }
        serve(http);
        buf_trim(input, consumed);
    }
    if (http->is_closing) {
        buf_clear(input);
    }
}

bool http_session_is_full(const struct http_session *http)
{
    return !has_room(http);
}

bool http_session_wants_close(const struct http_session *http)
{
    return http->is_closing;
}
