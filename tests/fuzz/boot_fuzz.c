/* Fuzz: hello messages, at a node that waits for its cluster and at one that has a map.
 *
 * Also judges: a malformed hello changes nothing, and no message from outside makes a node with a
 * map change it.
 */
#include "base/check.h"
#include "base/err.h"
#include "core/cluster/boot.h"

static struct cluster_address address_of(const char *text)
{
    struct cluster_address address;
    Q_CHECK(cluster_address_set(&address, bytes_of_text(text)) == Q_OK);
    return address;
}

static struct boot boot_of(bool has_map)
{
    struct boot_config config = {.self = address_of("a:1"), .run = 7, .nonce = 11};
    config.list.count = 2;
    config.list.addresses[0] = address_of("a:1");
    config.list.addresses[1] = address_of("b:1");
    if (has_map) {
        config.map = (struct cluster_map){.version = 1, .list = config.list, .nonces = {11, 12}};
        config.map.cluster_id = cluster_map_id(&config.map);
    }
    struct boot boot;
    char error[256];
    Q_CHECK(boot_init(&boot, &config, 0, error, sizeof error) == Q_OK);
    return boot;
}

static void feed(struct boot *boot, struct bytes body)
{
    struct boot_effects effects;
    const enum boot_state state = boot->state;
    const uint64_t round = boot->round;
    const uint64_t cluster_id = boot->map.cluster_id;
    const int result = boot_receive(boot, 1, body, &effects);
    Q_CHECK(result == Q_OK || result == Q_EPROTO);
    if (result == Q_EPROTO) {
        Q_CHECK(boot->state == state && boot->round == round && boot->complaint[0] == '\0');
    }
    if (state != BOOT_WAITING) {
        Q_CHECK(boot->state == state && boot->map.cluster_id == cluster_id);
    }
    Q_CHECK(effects.store_map == (boot->state == BOOT_STORING));
    char text[BOOT_TEXT_SIZE_MAX];
    (void)boot_text(boot, 1, text, sizeof text);
    uint8_t out[BOOT_HELLO_SIZE_MAX];
    struct writer w = writer_of(out, sizeof out);
    boot_write_hello(boot, true, &w);
    Q_CHECK(!w.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boot waiting = boot_of(false);
    struct boot done = boot_of(true);
    feed(&waiting, bytes_of(data, size));
    feed(&done, bytes_of(data, size));
    return 0;
}
