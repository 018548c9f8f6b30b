/* Runs core/cluster/boot: identity file, hellos, and the moment the cluster is known. */
#include "base/check.h"
#include "base/mark.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "node/node_private.h"

#include <stdio.h>

#define ADVICE                                                                                     \
    "do not delete it: leave this node stopped and let the others go on; a node that lost its "    \
    "disk cannot be taken back yet"

static int parse_list(struct node *node, char *error, size_t error_size)
{
    struct cluster_list *list = &node->list;
    list->count = 0;
    for (size_t i = 0; i < node->options.address_count; i++) {
        const char *address = node->options.addresses[i];
        if (cluster_address_set(&list->addresses[i], bytes_of_text(address)) != Q_OK) {
            (void)snprintf(error, error_size, "'%s' is not a HOST:PORT address", address);
            return Q_EINVAL;
        }
        list->count++;
    }
    if (cluster_list_sort(list) != Q_OK) {
        (void)snprintf(error, error_size, "the cluster list must hold 1 to %d different addresses",
                       NODES_MAX);
        return Q_EINVAL;
    }
    return Q_OK;
}

static int load_identity(struct node *node, char *error, size_t error_size)
{
    struct identity *identity = &node->identity;
    int err = identity_load(node->files, identity);
    if (err == Q_ENOTFOUND) {
        Q_MARK(IDENTITY_FIRST);
        *identity = (struct identity){0};
        do {
            identity->nonce = prng_next(&node->prng);
        } while (identity->nonce == 0);
        err = Q_OK;
    }
    if (err == Q_OK && identity->map.version == 0) {
        /* Until there is a map the address is whatever the node is started with. */
        err = cluster_address_set(&identity->address, bytes_of_text(node->options.self));
    }
    if (err == Q_OK) {
        node->incarnation_before = identity->incarnation;
        if (!Q_PLANT(INCARNATION) || identity->incarnation == 0) {
            identity->incarnation =
                incarnation_after(node->incarnation_before, prng_next(&node->prng));
        }
        err = identity_store(node->files, identity);
    }
    if (err != Q_OK) {
        (void)snprintf(error, error_size,
                       "the identity file of the data directory cannot be used: %s%s",
                       err_text(err), err == Q_ECORRUPT ? "; " ADVICE : "");
    }
    return err;
}

int boot_driver_start(struct node *node, char *error, size_t error_size)
{
    int err = parse_list(node, error, error_size);
    if (err != Q_OK) {
        return err;
    }
    err = load_identity(node, error, error_size);
    if (err != Q_OK) {
        return err;
    }
    struct boot_config config = {
        .list = node->list,
        .run = prng_next(&node->prng),
        .nonce = node->identity.nonce,
        .map = node->identity.map,
    };
    err = cluster_address_set(&config.self, bytes_of_text(node->options.self));
    if (err != Q_OK) {
        (void)snprintf(error, error_size, "'%s' is not a HOST:PORT address", node->options.self);
        return err;
    }
    err = boot_init(&node->boot, &config, node->now_ms, error, error_size);
    if (err != Q_OK) {
        return err;
    }
    /* A disk with a map wins over the list. */
    node->list = node->boot.config.list;
    node->self = node->boot.self;
    return Q_OK;
}

static void send_hello(struct node *node, node_id to, bool asks)
{
    struct buf *out = node_send_begin(node, to, PEER_HELLO);
    if (out == NULL) {
        return;
    }
    struct writer w = writer_of(buf_reserve(out, BOOT_HELLO_SIZE_MAX), BOOT_HELLO_SIZE_MAX);
    boot_write_hello(&node->boot, asks, &w);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    node_send_end(node, to);
}

static void store_map(struct node *node)
{
    struct identity *identity = &node->identity;
    identity->map = node->boot.map;
    identity->self = node->boot.self;
    const int err = identity_store(node->files, identity);
    if (err != Q_OK) {
        node_fail(node, err, "storing the cluster map in the identity file failed");
        return;
    }
    if (!cluster_list_equal(&node->list, &identity->map.list)) {
        /* Numbers and connections follow the list of this start, the cluster's the map. */
        node_fail(node, Q_EINVAL,
                  "the cluster has other members than the list; it is stored now, "
                  "start this node again");
        return;
    }
    boot_map_stored(&node->boot);
}

static void do_effects(struct node *node, node_id from, const struct boot_effects *effects)
{
    if (effects->store_map) {
        store_map(node);
        if (node->failure != Q_OK) {
            return;
        }
    }
    for (size_t i = 0; i < effects->send_count; i++) {
        send_hello(node, effects->send[i], true);
    }
    if (effects->reply && from != NODE_NONE) {
        send_hello(node, from, false);
    }
    if (effects->log) {
        char text[BOOT_TEXT_SIZE_MAX];
        if (boot_text(&node->boot, node->now_ms, text, sizeof text) > 0) {
            log_event(LOG_WARN, "cluster_boot", "state=\"%s\"", text);
        }
    }
}

void boot_driver_tick(struct node *node)
{
    struct boot_effects effects;
    boot_tick(&node->boot, node->now_ms, &effects);
    do_effects(node, NODE_NONE, &effects);
}

void boot_driver_receive(struct node *node, node_id from, struct bytes body)
{
    struct boot_effects effects;
    if (boot_receive(&node->boot, node->now_ms, body, &effects) == Q_OK) {
        do_effects(node, from, &effects);
    }
}
