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
    *network = (struct network){.options = *options, .events = events};
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

/* One copy of the frame on its way. */
static void launch(struct network *network, uint64_t at_us, const struct frame *frame, bool flip)
{
    struct network_link *link = &network->links[frame->from][frame->to];
    const size_t size = FRAME_HEADER_SIZE + frame->body.size;
    uint8_t *data = heap_alloc_raw(size);
    if (frame->body.size > 0) {
        memcpy(data + FRAME_HEADER_SIZE, frame->body.data, frame->body.size);
    }
    Q_CHECK(frame_seal(data, size, frame) == Q_OK);
    if (flip) {
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

void network_send(struct network *network, uint64_t now_us, const struct frame *frame)
{
    const node_id from = frame->from;
    const node_id to = frame->to;
    Q_CHECK(from != to && from > 0 && from <= NODES_MAX && to > 0 && to <= NODES_MAX);
    const struct network_options *options = &network->options;
    struct network_link *link = &network->links[from][to];
    network->sent++;
    if (!network->connected[from][to] || link->blocks > 0 ||
        draw_ppm(&network->prng, options->loss_ppm)) {
        network->lost++;
        return;
    }
    uint64_t at_us = now_us + draw_delay(network);
    if (!options->reorder && at_us < link->last_at_us) {
        at_us = link->last_at_us;
    }
    link->last_at_us = at_us;
    launch(network, at_us, frame, draw_ppm(&network->prng, options->flip_ppm));
    if (draw_ppm(&network->prng, options->duplicate_ppm)) {
        launch(network, at_us + draw_delay(network), frame, false);
    }
    if (draw_ppm(&network->prng, options->replay_ppm)) {
        launch(network, at_us + prng_below(&network->prng, 5000000), frame, false);
    }
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
    if (err != Q_OK || consumed != event->size || frame.from != from || frame.to != event->node) {
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

void network_connect(struct network *network, node_id a, node_id b)
{
    network->connected[a][b] = true;
    network->connected[b][a] = true;
}

void network_reset(struct network *network, node_id a, node_id b)
{
    network->connected[a][b] = false;
    network->connected[b][a] = false;
    network->links[a][b].epoch++;
    network->links[b][a].epoch++;
}

void network_heal(struct network *network)
{
    for (size_t from = 0; from <= NODES_MAX; from++) {
        for (size_t to = 0; to <= NODES_MAX; to++) {
            network->links[from][to].blocks = 0;
            network->links[from][to].clogged_until_us = 0;
        }
    }
    struct network_options *options = &network->options;
    options->tail_ppm = 0;
    options->loss_ppm = 0;
    options->duplicate_ppm = 0;
    options->replay_ppm = 0;
    options->flip_ppm = 0;
}
