#include "harness/fault_call.h"

#include "base/check.h"

#include <stdio.h>

static struct fault_site *site_of(struct fault_calls *calls, const struct fault_call *call)
{
    for (size_t i = 0; i < calls->count; i++) {
        struct fault_site *site = &calls->sites[i];
        if (site->kind == call->kind && site->site == call->site) {
            return site;
        }
    }
    Q_CHECK(calls->count < FAULT_SITES_MAX);
    struct fault_site *site = &calls->sites[calls->count++];
    *site = (struct fault_site){.kind = call->kind, .site = call->site};
    return site;
}

void fault_calls_note(struct fault_calls *calls, const struct fault_call *call, bool fails)
{
    struct fault_site *site = site_of(calls, call);
    site->calls++;
    if (calls->trace_count < FAULT_TRACE_MAX) {
        calls->trace[calls->trace_count++] = (size_t)(site - calls->sites);
    }
    if (!fails) {
        return;
    }
    site->failures++;
    calls->failed_kind = call->kind;
    (void)snprintf(calls->last_path, sizeof calls->last_path, "%s", call->path);
    if (calls->failures++ == 0) {
        (void)snprintf(calls->first_path, sizeof calls->first_path, "%s", call->path);
    }
}

const char *fault_kind_name(enum fault_kind kind)
{
    static const char *const names[FAULT_KINDS] = {
        [FAULT_OPEN] = "open",
        [FAULT_SIZE] = "size",
        [FAULT_READ] = "read",
        [FAULT_WRITE] = "write",
        [FAULT_SYNC] = "sync",
        [FAULT_TRUNCATE] = "truncate",
        [FAULT_RENAME] = "rename",
        [FAULT_REMOVE] = "remove",
        [FAULT_MAKE_DIRECTORY] = "make_directory",
        [FAULT_SYNC_DIRECTORY] = "sync_directory",
        [FAULT_LIST] = "list",
        [FAULT_GET] = "engine get",
        [FAULT_GET_PERSISTED] = "engine get_persisted",
        [FAULT_BATCH] = "engine write",
        [FAULT_FLUSH] = "engine flush",
        [FAULT_ITERATE] = "engine iterator",
    };
    return names[kind];
}

size_t fault_calls_seen(const struct fault_calls *calls, enum fault_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < calls->count; i++) {
        count += calls->sites[i].kind == kind;
    }
    return count;
}

size_t fault_calls_failed(const struct fault_calls *calls, enum fault_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < calls->count; i++) {
        count += calls->sites[i].kind == kind && calls->sites[i].failures > 0;
    }
    return count;
}
