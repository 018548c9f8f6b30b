#include "base/check.h"
#include "wire/http.h"

struct status_text {
    int status;
    const char *text;
};

static const struct status_text status_texts[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof status_texts[0]; i++) {
        if (status_texts[i].status == status) {
            return status_texts[i].text;
        }
    }
    return "Unknown";
}

static void write_text(struct writer *w, const char *text)
{
    write_bytes(w, bytes_of_text(text));
}

static void write_number(struct writer *w, uint64_t value)
{
    uint8_t digits[20];
    write_bytes(w, bytes_of(digits, bytes_from_int64((int64_t)value, digits)));
}

void http_print_head(struct writer *w, const struct http_head *head)
{
    Q_CHECK(head->status >= 100 && head->status <= 599);
    write_text(w, "HTTP/1.1 ");
    write_number(w, (uint64_t)head->status);
    write_text(w, " ");
    write_text(w, http_status_text(head->status));
    write_text(w, "\r\nContent-Type: ");
    write_text(w, head->content_type);
    write_text(w, "\r\nContent-Length: ");
    write_number(w, head->content_length);
    /* The answers are states of the moment, and JSON that no browser may take for a page. */
    write_text(w, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: ");
    write_text(w, head->close ? "close" : "keep-alive");
    if (head->allow != NULL) {
        write_text(w, "\r\nAllow: ");
        write_text(w, head->allow);
    }
    write_text(w, "\r\n\r\n");
}
