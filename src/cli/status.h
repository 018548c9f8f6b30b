/* `quorate status`: what the cluster looks like from one of its nodes. */
#ifndef Q_CLI_STATUS_H
#define Q_CLI_STATUS_H

#include <stdio.h>

enum cli_output { CLI_TABLE, CLI_JSON, CLI_PLAIN };

struct status_request {
    const char *http; /* host:port */
    enum cli_output output;
    int timeout_ms;
};

/* Asks and prints. Returns 0, or 1 when the node cannot be reached or its answer makes no sense
 * (a sentence on `errors`). */
int status_run(const struct status_request *request, FILE *out, FILE *errors);

#endif
