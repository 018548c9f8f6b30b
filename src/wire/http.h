/* HTTP/1.1 requests and response heads: bytes <-> structs, and nothing that is open to two
 * readings.
 *
 * DESIGN
 *
 * llhttp (Node.js' parser) reads the grammar in its strict mode. What it lets pass and two servers
 * in a row could read differently (request smuggling) is refused here on top: Content-Length with
 * Transfer-Encoding, two of either, any coding but exactly `chunked`, folded lines, bare CR or LF,
 * NUL, a space before the colon, two Hosts or none in HTTP/1.1, chunked in HTTP/1.0, chunk
 * extensions and trailers (nobody sends them to us, and they have been used to hide requests).
 *
 * The head is scanned byte by byte as it arrives and given to llhttp once, when it is whole. A body
 * with a length is a slice of the buffer; a chunked body is joined in the buffer, where its frames
 * lay, so it ends as one slice too. Only offsets are remembered between calls: the caller may move
 * or grow its buffer.
 *
 * OWNERSHIP
 *
 * Pure; nothing is allocated. Slices of a request borrow from the caller's buffer, whose bytes the
 * parser may rewrite (percent-decoding, joining chunks).
 */
#ifndef Q_WIRE_HTTP_H
#define Q_WIRE_HTTP_H

#include "base/bytes.h"
#include "base/cursor.h"

#include <llhttp.h>

/* A head is read before we know who asks: small limits (reliability S5). */
#define HTTP_HEAD_SIZE_MAX ((size_t)8 * 1024)
#define HTTP_HEADERS_MAX   100
/* Bytes a chunked body may take on the wire besides twice its content. */
#define HTTP_CHUNK_SLACK ((size_t)8 * 1024)

enum http_method {
    HTTP_METHOD_OTHER, /* One that HTTP knows and we do not. */
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_PUT,
    HTTP_METHOD_POST,
    HTTP_METHOD_DELETE
};

struct http_header {
    struct bytes name;  /* As sent: compare without case. */
    struct bytes value; /* Without blanks around it. */
};

struct http_request {
    enum http_method method;
    struct bytes path;  /* From its first '/', percent-decoded; may hold any byte, NUL too. */
    struct bytes query; /* Behind the '?', as sent; empty when there is none. */
    struct bytes host;  /* Empty only in HTTP/1.0. */
    struct bytes body;
    bool keep_alive; /* The client wants another request on this connection. */
    uint8_t minor;   /* HTTP/1.minor: 0 or 1. */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
};

struct http_span {
    uint16_t offset; /* From the start of the request; a head is smaller than 64 KiB. */
    uint16_t size;
};

enum http_stage { HTTP_STAGE_HEAD, HTTP_STAGE_FIXED, HTTP_STAGE_CHUNKED };

/* Set up by http_parser_init. One per connection. */
struct http_parser {
    /* Out, after an error: what to answer before closing. */
    int status;
    const char *error;

    /* Private. */
    size_t body_max;
    enum http_stage stage;
    size_t scanned;    /* Bytes of the head looked at. */
    size_t line_start; /* Of the line the scan is in. */
    bool has_line;     /* The request line was seen (empty lines before it are skipped). */
    size_t head_size;
    size_t body_size;    /* FIXED: announced; CHUNKED: joined so far. */
    size_t raw;          /* CHUNKED: bytes given to llhttp, head included. */
    const uint8_t *base; /* Valid during a call: where the request begins. */
    uint8_t *body;       /* Valid during a call: where the joined body begins. */
    bool head_done;
    bool message_done;
    bool chunked;
    bool keep_alive;
    llhttp_t llhttp;
    struct http_span target;
    size_t header_count;
    struct http_span names[HTTP_HEADERS_MAX];
    struct http_span values[HTTP_HEADERS_MAX];
};

/* Bodies larger than body_max are refused with 413, from their announcement where there is one. */
void http_parser_init(struct http_parser *parser, size_t body_max);

/* Looks for one whole request at the front of `data`. Until it returns Q_OK or an error, each call
 * must pass the bytes of the previous one again (as the parser left them) and maybe more.
 *
 * Q_OK: the request is there, drop *out_consumed bytes when done with it. Q_EAGAIN: more bytes are
 * needed. Q_EPROTO, Q_ETOOBIG: answer parser->status and parser->error, then close: the boundary of
 * the next request is unknown. */
int http_parse(struct http_parser *parser,
               uint8_t *data,
               size_t size,
               struct http_request *out_request,
               size_t *out_consumed);

/* The value of the first header called `upper_name` (upper case). False when there is none. */
bool http_header_find(const struct http_request *request,
                      const char *upper_name,
                      struct bytes *out_value);

/* The value of `name` in a query string, as sent (not percent-decoded). False when it is not there.
 */
bool http_query_find(struct bytes query, const char *name, struct bytes *out_value);

struct http_head {
    int status;
    const char *content_type;
    size_t content_length;
    bool close;        /* Say that the connection is closed after this. */
    const char *allow; /* The Allow header of a 405, or NULL. */
};

/* Prints a response head with its empty line; at most HTTP_HEAD_PRINTED_MAX bytes. */
#define HTTP_HEAD_PRINTED_MAX 512
void http_print_head(struct writer *w, const struct http_head *head);

/* Reason phrase of the statuses we send; "Unknown" for others. */
const char *http_status_text(int status);

#endif
