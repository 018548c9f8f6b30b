#include "sim/network.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "sim/draw.h"

void network_init(struct network *network,
                  const struct network_options *options,
                  struct events *events,
                  uint64_t seed)
{
    *network = (struct network){.options = *options, .events = events, .node_count = NODES_MAX};
    prng_init(&network->prng, seed);
}

static uint64_t draw_delay(struct network *network)
{
    const struct network_options *options = &network->options;
    if (draw_ppm(&network->prng, options->tail_ppm)) {
        return prng_between(&network->prng, options->delay_min_us,
                            options->delay_min_us + options->tail_max_us);
    }
    return options->delay_min_us + draw_exponential(&network->prng, options->delay_mean_us);
}

static void flip_bit(struct network *network, uint8_t *data, size_t size)
{
    const uint64_t bit = prng_below(&network->prng, (uint64_t)size * 8);
    data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
}

/* The header of a frame that is not what it should be. */
static struct frame misaddress(const struct network *network,
                               const struct frame *frame,
                               enum network_spoil spoil)
{
    struct frame wrong = *frame;
    if (spoil == SPOIL_CLUSTER) {
        wrong.cluster_id = ~frame->cluster_id;
    } else if (spoil == SPOIL_TO) {
        wrong.to = frame->to % network->node_count + 1;
    } else if (spoil == SPOIL_FROM) {
        wrong.from = network->node_count + frame->from;
    }
    return wrong;
}

/* Takes bytes out of a sealed frame; returns how many are left. After a hole what comes next are
 * the starts of further frames. */
static size_t take_out(struct network *network, uint8_t *data, size_t size, bool at_the_end)
{
    const size_t from = (size_t)prng_below(&network->prng, size);
    if (at_the_end) {
        return from;
    }
    const size_t hole = (size_t)prng_between(&network->prng, 1, size - from);
    memmove(data + from, data + from + hole, size - from - hole);
    for (size_t i = size - hole; i < size; i++) {
        data[i] = (uint8_t)(FRAME_MAGIC >> 8 * (i % 4));
    }
    return size;
}

/* One copy of the frame on its way. */
static void launch(struct network *network,
                   uint64_t at_us,
                   const struct frame *frame,
                   enum network_spoil spoil)
{
    const struct network_link *link = &network->links[frame->from][frame->to];
    size_t size = FRAME_HEADER_SIZE + frame->body.size;
    uint8_t *data = heap_alloc_raw(size);
    if (frame->body.size > 0) {
        memcpy(data + FRAME_HEADER_SIZE, frame->body.data, frame->body.size);
    }
    const struct frame header = misaddress(network, frame, spoil);
    Q_CHECK(frame_seal(data, size, &header) == Q_OK);
    if (spoil == SPOIL_CUT || spoil == SPOIL_SPLICE) {
        size = take_out(network, data, size, spoil == SPOIL_CUT);
    } else if (spoil == SPOIL_NONE && draw_ppm(&network->prng, network->options.flip_ppm)) {
        flip_bit(network, data, size);
    }
    events_push(network->events, (struct event){.at_us = at_us,
                                                .kind = EVENT_MESSAGE,
                                                .node = frame->to,
                                                .a = frame->from,
                                                .b = link->epoch,
                                                .data = data,
                                                .size = size});
}

/* Counts down to the frame that is to be spoilt. */
static enum network_spoil next_spoil(struct network *network, struct network_link *link)
{
    if (link->spoil == SPOIL_NONE || link->spoil_after-- > 0) {
        return SPOIL_NONE;
    }
    const enum network_spoil spoil = link->spoil;
    link->spoil = SPOIL_NONE;
    network->spoilt++;
    return spoil;
}

/* When the frame has left the sender's queue. */
static uint64_t pass_cap(struct network_link *link, uint64_t now_us, size_t size)
{
    if (link->queue_ends_us < now_us) {
        link->queue_ends_us = now_us;
    }
    if (link->bytes_per_second > 0) {
        link->queue_ends_us += (uint64_t)size * 1000000 / link->bytes_per_second;
    }
    return link->queue_ends_us;
}

void network_send(struct network *network, uint64_t now_us, const struct frame *frame)
{
    const node_id from = frame->from;
    const node_id to = frame->to;
    Q_CHECK(from != to && from > 0 && from <= NODES_MAX && to > 0 && to <= NODES_MAX);
    if (network->calm_until_us > 0 && now_us >= network->calm_until_us) {
        network->options = network->usual;
        network->calm_until_us = 0;
    }
    const struct network_options *options = &network->options;
    struct network_link *link = &network->links[from][to];
    network->sent++;
    if (!link->is_connected || link->is_half_open || link->blocks > 0 ||
        draw_ppm(&network->prng, options->loss_ppm)) {
        network->lost++;
        return;
    }
    uint64_t at_us = pass_cap(link, now_us, FRAME_HEADER_SIZE + frame->body.size);
    at_us += draw_delay(network);
    if (!options->reorder && at_us < link->last_at_us) {
        at_us = link->last_at_us;
    }
    link->last_at_us = at_us;
    launch(network, at_us, frame, next_spoil(network, link));
    if (draw_ppm(&network->prng, options->duplicate_ppm)) {
        launch(network, at_us + draw_delay(network), frame, SPOIL_NONE);
    }
    if (draw_ppm(&network->prng, options->replay_ppm)) {
        launch(network, at_us + prng_below(&network->prng, 5000000), frame, SPOIL_NONE);
    }
}

bool network_takes(const struct network *network, uint64_t now_us, node_id from, node_id to)
{
    const struct network_link *link = &network->links[from][to];
    if (link->bytes_per_second == 0 || link->queue_ends_us <= now_us) {
        return true;
    }
    const uint64_t queued = (link->queue_ends_us - now_us) * link->bytes_per_second / 1000000;
    return queued < link->queue_max;
}

int network_arrive(const struct network *network,
                   const struct event *event,
                   struct frame *out_frame)
{
    const node_id from = (node_id)event->a;
    const struct network_link *link = &network->links[from][event->node];
    if (link->blocks > 0 || link->epoch != event->b) {
        return Q_ENOTFOUND;
    }
    struct frame frame;
    size_t consumed = 0;
    const int err = frame_parse(bytes_of(event->data, event->size), &frame, &consumed);
    if (err == Q_EAGAIN) {
        return Q_EAGAIN;
    }
    if (err != Q_OK || consumed != event->size ||
        !frame_is_for(&frame, event->node, network->node_count)) {
        return Q_ECORRUPT;
    }
    *out_frame = frame;
    return Q_OK;
}

void network_block(struct network *network, node_id from, node_id to, bool blocked)
{
    uint32_t *blocks = &network->links[from][to].blocks;
    Q_CHECK(blocked || *blocks > 0);
    *blocks += blocked ? 1 : UINT32_MAX;
}

void network_clog(struct network *network, node_id from, node_id to, uint64_t until_us)
{
    network->links[from][to].clogged_until_us = until_us;
}

uint64_t network_clogged_until(const struct network *network, node_id from, node_id to)
{
    return network->links[from][to].clogged_until_us;
}

bool network_is_open(const struct network *network, node_id a, node_id b)
{
    return network->links[a][b].blocks == 0 && network->links[b][a].blocks == 0;
}

bool network_is_connected(const struct network *network, node_id from, node_id to)
{
    return network->links[from][to].is_connected;
}

void network_connect(struct network *network, node_id from, node_id to)
{
    network->links[from][to].is_connected = true;
    network->links[from][to].is_half_open = false;
}

void network_break(struct network *network, node_id from, node_id to)
{
    struct network_link *link = &network->links[from][to];
    link->is_connected = false;
    link->is_half_open = false;
    link->epoch++;
    link->last_at_us = 0;
    link->queue_ends_us = 0;
}

void network_half_open(struct network *network, node_id from, node_id to)
{
    const bool is_connected = network->links[from][to].is_connected;
    network_break(network, from, to);
    network->links[from][to].is_connected = is_connected;
    network->links[from][to].is_half_open = is_connected;
}

bool network_is_half_open(const struct network *network, node_id from, node_id to)
{
    return network->links[from][to].is_half_open;
}

void network_cap(struct network *network,
                 node_id from,
                 node_id to,
                 uint64_t bytes_per_second,
                 uint64_t queue_max)
{
    network->links[from][to].bytes_per_second = bytes_per_second;
    network->links[from][to].queue_max = queue_max;
}

void network_spoil(
    struct network *network, node_id from, node_id to, enum network_spoil spoil, uint32_t after)
{
    network->links[from][to].spoil = spoil;
    network->links[from][to].spoil_after = after;
}

uint64_t network_last_arrival(const struct network *network, node_id from, node_id to)
{
    return network->links[from][to].last_at_us;
}

static void take_faults_away(struct network_options *options)
{
    options->tail_ppm = 0;
    options->loss_ppm = 0;
    options->duplicate_ppm = 0;
    options->replay_ppm = 0;
    options->reorder = false;
    options->flip_ppm = 0;
}

void network_calm(struct network *network, uint64_t until_us)
{
    if (network->calm_until_us == 0) {
        network->usual = network->options;
    }
    network->calm_until_us = until_us;
    take_faults_away(&network->options);
    for (size_t from = 0; from <= NODES_MAX; from++) {
        for (size_t to = 0; to <= NODES_MAX; to++) {
            network->links[from][to].spoil = SPOIL_NONE;
        }
    }
}

void network_heal(struct network *network)
{
    for (size_t from = 0; from <= NODES_MAX; from++) {
        for (size_t to = 0; to <= NODES_MAX; to++) {
            struct network_link *link = &network->links[from][to];
            link->blocks = 0;
            link->clogged_until_us = 0;
            link->bytes_per_second = 0;
            link->spoil = SPOIL_NONE;
        }
    }
    network->calm_until_us = 0;
    take_faults_away(&network->options);
}
