/* SPDX-License-Identifier: MIT */
/* CRC-32C, as rows and marks carry it: with the processor's instruction and without, in one piece and in several. */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_crc32c_with_and_without_the_processors_help),
    };

    return cmocka_run_group_tests_name("store_checksum", tests, NULL, NULL);
}
