/* core/cluster/map: order and form of addresses, and the encoding of lists and maps. */
#include "base/err.h"
#include "core/cluster/map.h"
#include "harness/test.h"

#include <stdio.h>

static struct cluster_list list_of(const char *const *texts, size_t count)
{
    struct cluster_list list = {.count = count};
    for (size_t i = 0; i < count; i++) {
        REQUIRE(cluster_address_set(&list.addresses[i], bytes_of_text(texts[i])) == Q_OK);
    }
    return list;
}

static struct cluster_map sample_map(void)
{
    const char *texts[] = {"a:1", "b:2", "c:3"};
    struct cluster_map map = {.version = 1, .list = list_of(texts, 3), .nonces = {11, 12, 13}};
    map.cluster_id = cluster_map_id(&map);
    return map;
}

TEST(addresses_sort_by_host_then_by_port_as_a_number)
{
    const char *texts[] = {"127.0.0.1:10002", "127.0.0.1:7482", "10.0.0.1:9", "127.0.0.1:7492"};
    struct cluster_list list = list_of(texts, 4);
    EXPECT(cluster_list_sort(&list) == Q_OK);
    EXPECT(strcmp(list.addresses[0].text, "10.0.0.1:9") == 0);
    EXPECT(strcmp(list.addresses[1].text, "127.0.0.1:7482") == 0);
    EXPECT(strcmp(list.addresses[2].text, "127.0.0.1:7492") == 0);
    EXPECT(strcmp(list.addresses[3].text, "127.0.0.1:10002") == 0);
    EXPECT(cluster_list_find(&list, bytes_of_text("127.0.0.1:7492")) == 3);
    EXPECT(cluster_list_find(&list, bytes_of_text("127.0.0.1:7493")) == NODE_NONE);
}

TEST(malformed_addresses_are_refused)
{
    const char *wrong[] = {"",
                           "a",
                           ":1",
                           "a:",
                           "a:0",
                           "a:65536",
                           "a:01",
                           "a:+1",
                           "a: 1",
                           "a b:1",
                           "a,b:1",
                           "a\n:1",
                           "a:1 ",
                           "a:1x",
                           "a:-1",
                           "\x7f:1",
                           "a:99999999999999999999"};
    struct cluster_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(cluster_address_set(&address, bytes_of_text(wrong[i])) == Q_EINVAL);
    }
    EXPECT(cluster_address_set(&address, bytes_of("a\0:1", 4)) == Q_EINVAL);
    EXPECT(cluster_address_set(&address, bytes_of_text("a:1")) == Q_OK);
    EXPECT(cluster_address_set(&address, bytes_of_text("a:65535")) == Q_OK);
    EXPECT(cluster_address_set(&address, bytes_of_text("[::1]:7482")) == Q_OK);
}

TEST(a_host_may_have_255_bytes_and_not_one_more)
{
    char text[300];
    memset(text, 'h', sizeof text);
    struct cluster_address address;
    memcpy(text + 255, ":65535", 7);
    EXPECT(cluster_address_set(&address, bytes_of_text(text)) == Q_OK);
    EXPECT(cluster_address_bytes(&address).size == CLUSTER_ADDRESS_SIZE_MAX - 1);
    text[255] = 'h';
    memcpy(text + 256, ":1", 3);
    EXPECT(cluster_address_set(&address, bytes_of_text(text)) == Q_EINVAL);
}

TEST(lists_of_one_to_seven_distinct_addresses_are_accepted)
{
    struct cluster_list list = {.count = 0};
    EXPECT(cluster_list_sort(&list) == Q_EINVAL);
    for (size_t i = 0; i < NODES_MAX; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "h:%u", 100 - (unsigned)i);
        EXPECT(cluster_address_set(&list.addresses[i], bytes_of_text(text)) == Q_OK);
        list.count = i + 1;
        EXPECT(cluster_list_sort(&list) == Q_OK);
    }
    list.count = NODES_MAX + 1;
    EXPECT(cluster_list_sort(&list) == Q_EINVAL);
    const char *twice[] = {"a:1", "b:1", "a:1"};
    list = list_of(twice, 3);
    EXPECT(cluster_list_sort(&list) == Q_EINVAL);
}

TEST(maps_read_back_as_written)
{
    const struct cluster_map map = sample_map();
    uint8_t memory[CLUSTER_MAP_ENCODED_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    cluster_map_write(&w, &map);
    EXPECT(!w.failed);
    struct cluster_map back = {0};
    struct reader r = reader_of(bytes_of(memory, writer_size(&w)));
    cluster_map_read(&r, &back);
    EXPECT(reader_is_done(&r));
    EXPECT(back.version == 1 && back.cluster_id == map.cluster_id);
    EXPECT(cluster_list_equal(&back.list, &map.list));
    EXPECT(memcmp(back.nonces, map.nonces, sizeof map.nonces) == 0);
}

TEST(the_largest_map_fits_its_limit)
{
    struct cluster_map map = {.version = 1};
    for (size_t i = 0; i < NODES_MAX; i++) {
        char text[CLUSTER_ADDRESS_SIZE_MAX];
        memset(text, 'a' + (int)i, 255);
        memcpy(text + 255, ":65535", 7);
        EXPECT(cluster_address_set(&map.list.addresses[i], bytes_of_text(text)) == Q_OK);
        map.nonces[i] = UINT64_MAX;
    }
    map.list.count = NODES_MAX;
    map.cluster_id = cluster_map_id(&map);
    uint8_t memory[CLUSTER_MAP_ENCODED_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    cluster_map_write(&w, &map);
    EXPECT(!w.failed);
}

TEST(a_map_cut_short_or_altered_anywhere_is_refused)
{
    const struct cluster_map map = sample_map();
    uint8_t memory[CLUSTER_MAP_ENCODED_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    cluster_map_write(&w, &map);
    const size_t size = writer_size(&w);
    struct cluster_map back;
    for (size_t cut = 0; cut < size; cut++) {
        struct reader r = reader_of(bytes_of(memory, cut));
        cluster_map_read(&r, &back);
        EXPECT(!reader_is_done(&r));
    }
    /* From the id on: every byte is under the hash of map 1. The version is the key to that. */
    for (size_t i = 8; i < size; i++) {
        memory[i] ^= 1;
        struct reader r = reader_of(bytes_of(memory, size));
        cluster_map_read(&r, &back);
        EXPECT(!reader_is_done(&r));
        memory[i] ^= 1;
    }
}

TEST(ids_depend_on_every_address_and_nonce)
{
    struct cluster_map map = sample_map();
    const uint64_t id = map.cluster_id;
    map.nonces[2]++;
    EXPECT(cluster_map_id(&map) != id);
    map.nonces[2]--;
    EXPECT(cluster_map_id(&map) == id);
    EXPECT(cluster_address_set(&map.list.addresses[2], bytes_of_text("c:4")) == Q_OK);
    EXPECT(cluster_map_id(&map) != id);
    EXPECT(cluster_list_hash(&map.list) != 0);
}

TEST_MAIN(CASE(addresses_sort_by_host_then_by_port_as_a_number),
          CASE(malformed_addresses_are_refused),
          CASE(a_host_may_have_255_bytes_and_not_one_more),
          CASE(lists_of_one_to_seven_distinct_addresses_are_accepted),
          CASE(maps_read_back_as_written),
          CASE(the_largest_map_fits_its_limit),
          CASE(a_map_cut_short_or_altered_anywhere_is_refused),
          CASE(ids_depend_on_every_address_and_nonce))
