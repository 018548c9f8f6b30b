#include "cli/status.h"

#include "base/err.h"
#include "cli/http_client.h"

#include <jansson.h>
#include <string.h>

#define LEADS_SIZE 64

/* A member of an object as text; "-" when it is not there. `scratch` holds numbers. */
static const char *field(const json_t *object, const char *name, char scratch[24])
{
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    if (json_is_integer(value)) {
        (void)snprintf(scratch, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return scratch;
    }
    return "-";
}

/* Addresses are an object by listener; the peer one names the node, the others may be missing. */
static const char *address_of(const json_t *node)
{
    const json_t *addresses = json_object_get(node, "addresses");
    const char *names[] = {"peer", "resp", "http"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *one = json_object_get(addresses, names[i]);
        if (json_is_string(one)) {
            return json_string_value(one);
        }
    }
    const json_t *first = json_is_array(addresses) ? json_array_get(addresses, 0) : addresses;
    return json_is_string(first) ? json_string_value(first) : "-";
}

/* "1 2 7", or "-". */
static void join_numbers(const json_t *list, char *out, size_t size)
{
    size_t used = 0;
    (void)snprintf(out, size, "-");
    for (size_t i = 0; i < json_array_size(list) && used < size; i++) {
        const int length = snprintf(out + used, size - used, "%s%" JSON_INTEGER_FORMAT,
                                    i > 0 ? " " : "", json_integer_value(json_array_get(list, i)));
        used += length > 0 ? (size_t)length : 0;
    }
}

static void print_table(const json_t *status, FILE *out)
{
    char a[24];
    char b[24];
    char c[24];
    char d[24];
    char numbers[LEADS_SIZE];
    (void)fprintf(out, "%s\n\n", field(status, "verdict", a));
    (void)fprintf(out, "%-5s %-24s %-12s %-12s %s\n", "node", "peer address", "state",
                  "leads shard", "lag");
    const json_t *nodes = json_object_get(status, "nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        join_numbers(json_object_get(node, "leads"), numbers, sizeof numbers);
        (void)fprintf(out, "%-5s %-24s %-12s %-12s %s\n", field(node, "number", a),
                      address_of(node), field(node, "state", b), numbers, field(node, "lag", c));
    }
    const json_t *shards = json_object_get(status, "shards");
    if (json_array_size(shards) > 0) {
        (void)fprintf(out, "\n%-6s %-12s %-7s %-12s %-8s %-12s %s\n", "shard", "keyspace", "leader",
                      "replicas", "term", "commit", "applied");
    }
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        char e[24];
        char f[24];
        join_numbers(json_object_get(shard, "replicas"), numbers, sizeof numbers);
        (void)fprintf(out, "%-6s %-12s %-7s %-12s %-8s %-12s %s\n", field(shard, "id", a),
                      field(shard, "keyspace", b), field(shard, "leader", c), numbers,
                      field(shard, "term", d), field(shard, "commit", e),
                      field(shard, "applied", f));
    }
}

/* One thing a line, tabs between: for awk and cut. */
static void print_plain(const json_t *status, FILE *out)
{
    char a[24];
    char b[24];
    char c[24];
    char d[24];
    char e[24];
    char numbers[LEADS_SIZE];
    (void)fprintf(out, "verdict\t%s\n", field(status, "verdict", a));
    const json_t *nodes = json_object_get(status, "nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        join_numbers(json_object_get(node, "leads"), numbers, sizeof numbers);
        (void)fprintf(out, "node\t%s\t%s\t%s\t%s\t%s\n", field(node, "number", a), address_of(node),
                      field(node, "state", b), numbers, field(node, "lag", c));
    }
    const json_t *shards = json_object_get(status, "shards");
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        (void)fprintf(out, "shard\t%s\t%s\t%s\t%s\t%s\n", field(shard, "id", a),
                      field(shard, "leader", b), field(shard, "term", c), field(shard, "commit", d),
                      field(shard, "applied", e));
    }
}

int status_run(const struct status_request *request, FILE *out, FILE *errors)
{
    struct http_answer answer;
    char error[400];
    const int result =
        http_get(request->http, "/status", request->timeout_ms, &answer, error, sizeof error);
    if (result != Q_OK) {
        (void)fprintf(errors, "quorate status: %s%s\n", error,
                      result == Q_EUNAVAILABLE ? "; --http names another node" : "");
        return 1;
    }
    json_error_t reason;
    const struct bytes body = buf_bytes(&answer.body);
    json_t *status = json_loadb((const char *)body.data, body.size, 0, &reason);
    buf_deinit(&answer.body);
    if (answer.status != 200 || !json_is_object(status)) {
        (void)fprintf(errors, "quorate status: %s answered %d%s\n", request->http, answer.status,
                      answer.status == 200 ? ", but not with a status" : "");
        json_decref(status);
        return 1;
    }
    switch (request->output) {
    case CLI_TABLE: print_table(status, out); break;
    case CLI_PLAIN: print_plain(status, out); break;
    case CLI_JSON:
        (void)json_dumpf(status, out, JSON_INDENT(2));
        (void)fputc('\n', out);
        break;
    }
    json_decref(status);
    return ferror(out) != 0 ? 1 : 0;
}
