#include "sim/crash/chain.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"

static void start_machine(struct crash_chain *chain)
{
    const int err = machine_init(&chain->machine, chain->engine, CRASH_GROUP);
    Q_CHECK(err == Q_OK);
    chain->before_hash = machine_hash(&chain->machine);
}

void crash_chain_init(struct crash_chain *chain)
{
    *chain = (struct crash_chain){.engine = memory_engine_new()};
    start_machine(chain);
}

void crash_chain_init_after(struct crash_chain *chain,
                            const struct crash_chain *from,
                            raft_index index)
{
    *chain = (struct crash_chain){.before = index, .before_term = crash_chain_term(from, index)};
    chain->engine =
        index == 0 ? memory_engine_new() : memory_engine_branch(crash_chain_at(from, index)->state);
    start_machine(chain);
}

void crash_chain_deinit(struct crash_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct crash_link *link = &chain->links[i];
        heap_free((void *)(uintptr_t)link->entry.payload.data);
        link->state->ops->close(link->state);
    }
    heap_free(chain->links);
    machine_deinit(&chain->machine);
    chain->engine->ops->close(chain->engine);
    *chain = (struct crash_chain){.count = 0};
}

raft_index crash_chain_last(const struct crash_chain *chain)
{
    return chain->before + chain->count;
}

void crash_chain_append(struct crash_chain *chain, const struct raft_entry *entry)
{
    struct raft_entry copy = *entry;
    if (entry->payload.size > 0) {
        uint8_t *payload = heap_alloc_raw(entry->payload.size);
        memcpy(payload, entry->payload.data, entry->payload.size);
        copy.payload.data = payload;
    } else {
        copy.payload.data = NULL;
    }
    struct buf reply = {.start = 0};
    int err = machine_apply(&chain->machine, crash_chain_last(chain) + 1, &copy, &reply);
    if (err == Q_OK) {
        err = machine_commit(&chain->machine);
    }
    Q_CHECK(err == Q_OK);
    buf_deinit(&reply);
    chain->links = heap_realloc(chain->links, (chain->count + 1) * sizeof *chain->links);
    chain->links[chain->count++] =
        (struct crash_link){.entry = copy,
                            .state_hash = machine_hash(&chain->machine),
                            .state = memory_engine_branch(chain->engine)};
}

const struct crash_link *crash_chain_at(const struct crash_chain *chain, raft_index index)
{
    Q_CHECK(index > chain->before && index <= crash_chain_last(chain));
    return &chain->links[index - chain->before - 1];
}

raft_term crash_chain_term(const struct crash_chain *chain, raft_index index)
{
    return index == chain->before ? chain->before_term : crash_chain_at(chain, index)->entry.term;
}

uint64_t crash_chain_state_hash(const struct crash_chain *chain, raft_index index)
{
    return index == chain->before ? chain->before_hash : crash_chain_at(chain, index)->state_hash;
}
