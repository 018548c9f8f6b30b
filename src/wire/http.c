#include "wire/http.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"

static int fail(struct http_parser *parser, int status, const char *text)
{
    parser->status = status;
    parser->error = text;
    return status == 413 || status == 431 ? Q_ETOOBIG : Q_EPROTO;
}

/* --- What llhttp tells us. The head is passed to it in one piece, so each span comes once. --- */

static struct http_span span_of(const struct http_parser *parser, const char *at, size_t size)
{
    const size_t offset = (size_t)((const uint8_t *)at - parser->base);
    Q_CHECK(offset + size <= HTTP_HEAD_SIZE_MAX);
    return (struct http_span){.offset = (uint16_t)offset, .size = (uint16_t)size};
}

static int on_url(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    parser->target = span_of(parser, at, size);
    return 0;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    if (parser->head_done) {
        (void)fail(parser, 400, "trailers are not accepted");
        return HPE_USER;
    }
    if (parser->header_count == HTTP_HEADERS_MAX) {
        (void)fail(parser, 431, "more than 100 header fields");
        return HPE_USER;
    }
    parser->names[parser->header_count] = span_of(parser, at, size);
    parser->values[parser->header_count] = (struct http_span){0};
    parser->header_count++;
    return 0;
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) {
        size--;
    }
    if (parser->header_count > 0 && !parser->head_done) {
        parser->values[parser->header_count - 1] = span_of(parser, at, size);
    }
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = llhttp->data;
    parser->head_done = true;
    return HPE_PAUSED;
}

static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t size)
{
    (void)at;
    (void)size;
    (void)fail(llhttp->data, 400, "chunk extensions are not accepted");
    return HPE_USER;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    if (size > parser->body_max - parser->body_size) {
        (void)fail(parser, 413, "the body exceeds the limit");
        return HPE_USER;
    }
    uint8_t *to = parser->body + parser->body_size;
    Q_CHECK(to <= (const uint8_t *)at);
    memmove(to, at, size);
    parser->body_size += size;
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = llhttp->data;
    parser->message_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* --- The head --- */

static void start_next_request(struct http_parser *parser)
{
    const size_t body_max = parser->body_max;
    /* The span arrays need no clearing: header_count says how many are valid. */
    memset(parser, 0, offsetof(struct http_parser, names));
    parser->body_max = body_max;
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
    parser->llhttp.data = parser;
    if (Q_PLANT(B72)) {
        llhttp_set_lenient_chunked_length(&parser->llhttp, 1);
    }
}

void http_parser_init(struct http_parser *parser, size_t body_max)
{
    parser->body_max = body_max;
    start_next_request(parser);
}

/* Characters of a token (RFC 9110, 5.6.2): all a field name may consist of. */
static bool is_token_char(uint8_t c)
{
    if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        return true;
    }
    static const char others[] = "!#$%&'*+-.^_`|~";
    return memchr(others, c, sizeof others - 1) != NULL;
}

/* Judges one line of the head, without its CR LF. */
static int check_line(struct http_parser *parser, struct bytes line)
{
    if (!parser->has_line) {
        parser->has_line = line.size > 0;
        return Q_OK;
    }
    if (line.size == 0) {
        return Q_OK;
    }
    if (line.data[0] == ' ' || line.data[0] == '\t') {
        return fail(parser, 400, "a header field is folded over two lines");
    }
    size_t name = 0;
    while (name < line.size && is_token_char(line.data[name])) {
        name++;
    }
    if (name == 0 || name == line.size || line.data[name] != ':') {
        return fail(parser, 400, "a header field's name is malformed");
    }
    return Q_OK;
}

/* Looks at bytes not seen yet until the empty line that ends the head. */
static int scan_head(struct http_parser *parser, struct bytes in)
{
    while (parser->scanned < in.size) {
        if (parser->scanned == HTTP_HEAD_SIZE_MAX) {
            return fail(parser, 431, "the head exceeds 8192 bytes");
        }
        const size_t at = parser->scanned;
        const uint8_t c = in.data[at];
        const bool after_cr = at > parser->line_start && in.data[at - 1] == '\r';
        if (c == 0 || after_cr != (c == '\n')) {
            return fail(parser, 400, "a bare CR, a bare LF or a NUL in the head");
        }
        parser->scanned++;
        if (c != '\n') {
            continue;
        }
        const struct bytes line =
            bytes_of(in.data + parser->line_start, at - 1 - parser->line_start);
        const bool had_line = parser->has_line;
        const int result = check_line(parser, line);
        if (result != Q_OK) {
            return result;
        }
        parser->line_start = parser->scanned;
        if (had_line && line.size == 0) {
            parser->head_size = parser->scanned;
            return Q_OK;
        }
    }
    return Q_EAGAIN;
}

static struct bytes bytes_of_span(const struct http_parser *parser, struct http_span span)
{
    return bytes_of(parser->base + span.offset, span.size);
}

/* How many headers have this name; out_value is the first one's. */
static size_t count_headers(const struct http_parser *parser,
                            const char *upper_name,
                            struct bytes *out_value)
{
    size_t count = 0;
    for (size_t i = 0; i < parser->header_count; i++) {
        if (bytes_equal_word(bytes_of_span(parser, parser->names[i]), upper_name)) {
            if (count == 0) {
                *out_value = bytes_of_span(parser, parser->values[i]);
            }
            count++;
        }
    }
    return count;
}

/* Letters, digits and what names, IPv4 and bracketed IPv6 addresses with a port are made of. */
static bool is_host(struct bytes host)
{
    static const char others[] = ".-_:[]";
    for (size_t i = 0; i < host.size; i++) {
        const uint8_t c = host.data[i];
        const bool alphanumeric =
            (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alphanumeric && memchr(others, c, sizeof others - 1) == NULL) {
            return false;
        }
    }
    return host.size > 0;
}

static int check_host(struct http_parser *parser)
{
    struct bytes host = {0};
    const size_t count = count_headers(parser, "HOST", &host);
    if (count > 1) {
        return fail(parser, 400, "more than one Host");
    }
    if (count == 0 && parser->llhttp.http_minor == 1) {
        return fail(parser, 400, "HTTP/1.1 needs a Host");
    }
    if (count == 1 && !is_host(host)) {
        return fail(parser, 400, "the Host is malformed");
    }
    return Q_OK;
}

/* Decides where the body ends: the one thing two servers must never disagree about. */
static int check_framing(struct http_parser *parser)
{
    struct bytes coding = {0};
    struct bytes length = {0};
    const size_t codings = count_headers(parser, "TRANSFER-ENCODING", &coding);
    const size_t lengths = count_headers(parser, "CONTENT-LENGTH", &length);
    const bool is_double = codings == 1 && lengths == 1 && !Q_PLANT(B72);
    if (codings > 1 || lengths > 1 || is_double) {
        return fail(parser, 400, "more than one statement of the body's length");
    }
    if (codings == 1) {
        if (parser->llhttp.http_minor == 0 && !Q_PLANT(B72T)) {
            return fail(parser, 400, "HTTP/1.0 has no Transfer-Encoding");
        }
        if (!bytes_equal(coding, bytes_of_text("chunked"))) {
            return fail(parser, 400, "the only Transfer-Encoding accepted is chunked");
        }
        parser->chunked = true;
    }
    int64_t value = 0;
    if (lengths == 1) {
        if (!bytes_to_int64(length, &value) || value < 0) {
            return fail(parser, 400, "the Content-Length is malformed");
        }
        if ((uint64_t)value > parser->body_max) {
            return fail(parser, 413, "the body exceeds the limit");
        }
    }
    parser->body_size = (size_t)value;
    return Q_OK;
}

static int judge_head(struct http_parser *parser)
{
    const enum llhttp_errno err =
        llhttp_execute(&parser->llhttp, (const char *)parser->base, parser->head_size);
    if (err == HPE_USER) {
        return parser->status == 431 ? Q_ETOOBIG : Q_EPROTO;
    }
    if (err == HPE_INVALID_VERSION || err == HPE_PAUSED_H2_UPGRADE) {
        return fail(parser, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    if (err != HPE_PAUSED || !parser->head_done) {
        return fail(parser, 400, "the request is malformed");
    }
    if (parser->llhttp.http_major != 1 || parser->llhttp.http_minor > 1) {
        return fail(parser, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    const int host = check_host(parser);
    if (host != Q_OK) {
        return host;
    }
    return check_framing(parser);
}

/* --- The body --- */

static int read_chunks(struct http_parser *parser, uint8_t *data, size_t size)
{
    parser->body = data + parser->head_size;
    if (parser->raw == size) {
        return Q_EAGAIN;
    }
    const char *from = (const char *)data + parser->raw;
    const enum llhttp_errno err = llhttp_execute(&parser->llhttp, from, size - parser->raw);
    if (err == HPE_USER) {
        return parser->status == 413 ? Q_ETOOBIG : Q_EPROTO;
    }
    if (err == HPE_PAUSED && parser->message_done) {
        const char *end = llhttp_get_error_pos(&parser->llhttp);
        parser->raw += (size_t)(end - from);
        return Q_OK;
    }
    if (err != HPE_OK) {
        return fail(parser, 400, "the chunked body is malformed");
    }
    parser->raw = size;
    /* Otherwise one byte per chunk would make us hold six times the limit. */
    if (parser->raw > parser->head_size + 2 * parser->body_max + HTTP_CHUNK_SLACK) {
        return fail(parser, 413, "the body exceeds the limit");
    }
    return Q_EAGAIN;
}

/* --- The request --- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes %XX where it lies. False when an escape is not one. */
static bool percent_decode(uint8_t *text, size_t size, size_t *out_size)
{
    size_t to = 0;
    for (size_t from = 0; from < size; from++) {
        uint8_t c = text[from];
        if (c == '%') {
            if (size - from < 3 || hex_value(text[from + 1]) < 0 || hex_value(text[from + 2]) < 0) {
                return false;
            }
            c = (uint8_t)(hex_value(text[from + 1]) * 16 + hex_value(text[from + 2]));
            from += 2;
        }
        text[to++] = c;
    }
    *out_size = to;
    return true;
}

static bool equal_ignoring_case(struct bytes a, struct bytes b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        const bool letter = (a.data[i] | 0x20) >= 'a' && (a.data[i] | 0x20) <= 'z';
        if (a.data[i] != b.data[i] && !(letter && (a.data[i] | 0x20) == (b.data[i] | 0x20))) {
            return false;
        }
    }
    return true;
}

/* Takes "http://host" off an absolute target; its host must be the Host header's. */
static int strip_absolute(struct http_parser *parser, struct bytes host, struct bytes *target)
{
    static const char scheme[] = "http://";
    const size_t scheme_size = sizeof scheme - 1;
    if (target->size < scheme_size || memcmp(target->data, scheme, scheme_size) != 0) {
        return fail(parser, 400, "the request target must be a path");
    }
    size_t end = scheme_size;
    while (end < target->size && target->data[end] != '/' && target->data[end] != '?') {
        end++;
    }
    const struct bytes authority = bytes_of(target->data + scheme_size, end - scheme_size);
    if (!equal_ignoring_case(authority, host)) {
        return fail(parser, 400, "the request target names another host than Host");
    }
    if (end == target->size || target->data[end] != '/') {
        return fail(parser, 400, "the request target has no path");
    }
    *target = bytes_of(target->data + end, target->size - end);
    return Q_OK;
}

static int set_target(struct http_parser *parser, uint8_t *data, struct http_request *request)
{
    struct bytes target = bytes_of_span(parser, parser->target);
    if (target.size == 0 || target.data[0] != '/') {
        const int result = strip_absolute(parser, request->host, &target);
        if (result != Q_OK) {
            return result;
        }
    }
    size_t path_size = 0;
    while (path_size < target.size && target.data[path_size] != '?') {
        if (target.data[path_size] == '#') {
            return fail(parser, 400, "the request target has a fragment");
        }
        path_size++;
    }
    request->query = bytes_of(target.data + path_size, 0);
    if (path_size < target.size) {
        request->query = bytes_of(target.data + path_size + 1, target.size - path_size - 1);
    }
    uint8_t *path = data + (target.data - data);
    size_t decoded = 0;
    if (!percent_decode(path, path_size, &decoded)) {
        return fail(parser, 400, "a percent escape in the path is malformed");
    }
    request->path = bytes_of(path, decoded);
    return Q_OK;
}

static enum http_method method_of(const llhttp_t *llhttp)
{
    switch (llhttp->method) {
    case HTTP_GET: return HTTP_METHOD_GET;
    case HTTP_HEAD: return HTTP_METHOD_HEAD;
    case HTTP_PUT: return HTTP_METHOD_PUT;
    case HTTP_POST: return HTTP_METHOD_POST;
    case HTTP_DELETE: return HTTP_METHOD_DELETE;
    default: return HTTP_METHOD_OTHER;
    }
}

/* Fills the request from the offsets, now that nothing moves any more. */
static int fill_request(struct http_parser *parser, uint8_t *data, struct http_request *request)
{
    request->method = method_of(&parser->llhttp);
    request->minor = parser->llhttp.http_minor;
    request->host = bytes_of(data, 0);
    (void)count_headers(parser, "HOST", &request->host);
    request->body = bytes_of(data + parser->head_size, parser->body_size);
    request->header_count = parser->header_count;
    for (size_t i = 0; i < parser->header_count; i++) {
        request->headers[i].name = bytes_of_span(parser, parser->names[i]);
        request->headers[i].value = bytes_of_span(parser, parser->values[i]);
    }
    return set_target(parser, data, request);
}

int http_parse(struct http_parser *parser,
               uint8_t *data,
               size_t size,
               struct http_request *out_request,
               size_t *out_consumed)
{
    parser->base = data;
    int result = Q_OK;
    if (parser->stage == HTTP_STAGE_HEAD) {
        result = scan_head(parser, bytes_of(data, size));
        if (result != Q_OK) {
            return result;
        }
        result = judge_head(parser);
        if (result != Q_OK) {
            return result;
        }
        parser->keep_alive = llhttp_should_keep_alive(&parser->llhttp) != 0;
        parser->stage = parser->chunked ? HTTP_STAGE_CHUNKED : HTTP_STAGE_FIXED;
        parser->raw = parser->head_size;
        if (parser->chunked) {
            llhttp_resume(&parser->llhttp);
        }
    }
    if (parser->stage == HTTP_STAGE_CHUNKED) {
        result = read_chunks(parser, data, size);
    } else {
        parser->raw = parser->head_size + parser->body_size;
        result = size < parser->raw ? Q_EAGAIN : Q_OK;
    }
    if (result != Q_OK) {
        return result;
    }
    result = fill_request(parser, data, out_request);
    if (result != Q_OK) {
        return result;
    }
    out_request->keep_alive = parser->keep_alive;
    *out_consumed = parser->raw;
    start_next_request(parser);
    return Q_OK;
}

bool http_header_find(const struct http_request *request,
                      const char *upper_name,
                      struct bytes *out_value)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (bytes_equal_word(request->headers[i].name, upper_name)) {
            *out_value = request->headers[i].value;
            return true;
        }
    }
    return false;
}

bool http_query_find(struct bytes query, const char *name, struct bytes *out_value)
{
    const size_t name_size = strlen(name);
    size_t at = 0;
    while (at < query.size) {
        size_t end = at;
        while (end < query.size && query.data[end] != '&') {
            end++;
        }
        const bool named = end - at > name_size && query.data[at + name_size] == '=' &&
                           memcmp(query.data + at, name, name_size) == 0;
        if (named) {
            *out_value = bytes_of(query.data + at + name_size + 1, end - at - name_size - 1);
            return true;
        }
        at = end + 1;
    }
    return false;
}
