/* SPDX-License-Identifier: MIT */
/* CRC-32C, as rows and marks carry it, and the sums that a WAL's frames carry: with the processor's help and without, in one piece and in several. */
#include "store_world.h"

#include "../src/store/internal.h"

static void the_checksum_is_crc32c_with_and_without_the_processors_help(void **state) {
    static uint8_t bytes[6000]; /* of several lanes, and of none */
    uint64_t seed = 10;

    (void)state;
    assert_int_equal(store_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(store_crc32c_portable(0, "123456789", 9), 0xe3069283);
    assert_int_equal(store_crc32c(0, "", 0), 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_next(&seed);
    for (int i = 0; i < 2000; i++) {
        size_t from = random_below(&seed, 40), length = random_below(&seed, i % 2 == 0 ? 250 : 5960),
               split = random_below(&seed, length + 1);
        uint32_t crc = store_crc32c(0, bytes + from, length);

        assert_int_equal(crc, store_crc32c_portable(0, bytes + from, length));
        assert_int_equal(
            crc, store_crc32c(store_crc32c(0, bytes + from, split), bytes + from + split, length - split));
    }
}

static void the_sums_of_a_wal_are_what_the_steps_come_to(void **state) {
    static uint8_t bytes[20000];
    uint64_t seed = 11;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_next(&seed);
    for (int i = 0; i < 2000; i++) {
        size_t from = random_below(&seed, 40), length = 8 * random_below(&seed, i % 2 == 0 ? 130 : 2400),
               split = 8 * random_below(&seed, length / 8 + 1);
        bool big_endian = random_below(&seed, 2);
        struct store_wal_sums begin = {(uint32_t)random_next(&seed), (uint32_t)random_next(&seed)}, sums,
                              steps;

        steps = store_wal_sum_portable(begin, big_endian, bytes + from, length);
        sums = store_wal_sum(begin, big_endian, bytes + from, length);
        assert_memory_equal(&sums, &steps, sizeof(sums));
        sums = store_wal_sum(begin, big_endian, bytes + from, split);
        sums = store_wal_sum(sums, big_endian, bytes + from + split, length - split);
        assert_memory_equal(&sums, &steps, sizeof(sums));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_crc32c_with_and_without_the_processors_help),
        cmocka_unit_test(the_sums_of_a_wal_are_what_the_steps_come_to),
    };

    return cmocka_run_group_tests_name("store_checksum", tests, NULL, NULL);
}
