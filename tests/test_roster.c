/* SPDX-License-Identifier: MIT */
/* What the list of members says of each: bytes and back, founders, strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/roster.h"

static const char some_incarnation[] = "0123456789abcdef0123456789abcdef01234567";

static struct member member_make(raft_id id, const char *address, const char *incarnation) {
    struct member member = {.id = id, .kind = RAFT_VOTER};
    strcpy(member.address, address);
    strcpy(member.incarnation, incarnation);
    return member;
}

static void a_member_comes_back_from_its_bytes(void **state) {
    static const char *const addresses[] = {"10.0.0.4:7101", "", "fe80::1:7000"};
    static const char *const incarnations[] = {some_incarnation, ""};
    char bytes[RAFT_MEMBER_DATA_MAX];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 2; j++) {
            struct member member = member_make(4, addresses[i], incarnations[j]), back = {.id = 4};
            size_t length = member_encode(&member, bytes);
            assert_true(member_decode(bytes, length, &back));
            assert_string_equal(back.address, addresses[i]);
            assert_string_equal(back.incarnation, incarnations[j]);
        }
}

/* The list is replicated: its bytes may not change. */
static void the_bytes_are_these(void **state) {
    char bytes[RAFT_MEMBER_DATA_MAX];
    const struct member member = member_make(4, "h:1", some_incarnation);
    (void)state;
    assert_int_equal(member_encode(&member, bytes), 2 + 40 + 3);
    assert_memory_equal(bytes,
                        "\x01\x28"
                        "0123456789abcdef0123456789abcdef01234567h:1",
                        45);
}

static void bytes_that_are_no_member_are_refused_and_leave_nothing(void **state) {
    char bytes[RAFT_MEMBER_DATA_MAX], spoilt[RAFT_MEMBER_DATA_MAX] = "";
    const struct member member = member_make(4, "10.0.0.4:7101", some_incarnation);
    size_t length = member_encode(&member, bytes);
    (void)state;
    for (size_t cut = 0; cut < 2 + 40; cut++) {
        struct member back = member;
        assert_false(member_decode(bytes, cut, &back));
        assert_string_equal(back.address, "");
        assert_string_equal(back.incarnation, "");
    }
    static const struct {
        size_t at;
        char byte;
    } flips[] = {{0, 0}, {0, 2}, {1, 39}, {1, 41}, {1, -1}, {5, 0}, {50, 0}};
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        struct member back = {.id = 4};
        memcpy(spoilt, bytes, length);
        spoilt[flips[i].at] = flips[i].byte;
        assert_false(member_decode(spoilt, length, &back));
    }
    memset(spoilt + 2, 'a', sizeof spoilt - 2);
    spoilt[0] = 1;
    spoilt[1] = 0;
    struct member back = {.id = 4};
    assert_true(member_decode(spoilt, 2 + STORE_ADDRESS_MAX - 1, &back));
    assert_false(member_decode(spoilt, 2 + STORE_ADDRESS_MAX, &back));
}

static struct store_identity identity_make(raft_id node) {
    static const raft_id ids[] = {3, 1, 2};
    struct store_identity identity = {.node = node, .member_count = 3};
    for (size_t i = 0; i < 3; i++) {
        identity.members[i].id = ids[i];
        snprintf(identity.members[i].address, STORE_ADDRESS_MAX, "10.0.0.%d:7000", (int)ids[i]);
        memset(identity.members[i].incarnation, (int)('a' + ids[i]), STORE_ID_LENGTH);
    }
    return identity;
}

static void all_founders_begin_with_the_same_list_of_voters(void **state) {
    struct store_identity identity = identity_make(1), other = identity_make(3);
    struct store_member first = other.members[0];
    other.members[0] = other.members[2];
    other.members[2] = first;
    struct raft_blob *list = roster_founders(&identity), *twin = roster_founders(&other);
    struct roster roster = {0};
    (void)state;
    assert_true(raft_members_valid(list));
    assert_int_equal(list->length, twin->length);
    assert_memory_equal(list->bytes, twin->bytes, list->length);
    roster_read(&roster, list);
    assert_int_equal(roster.count, 3);
    assert_int_equal(roster_voters(&roster), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(roster.at[i].id, i + 1);
        assert_int_equal(roster.at[i].kind, RAFT_VOTER);
        assert_int_equal(roster.at[i].incarnation[STORE_ID_LENGTH - 1], 'a' + (int)i + 1);
    }
    assert_string_equal(roster_find(&roster, 2)->address, "10.0.0.2:7000");
    assert_null(roster_find(&roster, 4));
    roster_close(&roster);
    raft_blob_unref(list);
    raft_blob_unref(twin);
}

static void learners_and_removed_members_are_read_but_do_not_vote(void **state) {
    char bytes[RAFT_MEMBER_DATA_MAX];
    const struct member learner = member_make(2, "b:2", "");
    size_t length = member_encode(&learner, bytes);
    const struct raft_member rows[] = {
        {1, RAFT_VOTER, "?", 1}, {2, RAFT_LEARNER, bytes, length}, {5, RAFT_REMOVED, NULL, 0}};
    struct raft_blob *list = raft_members_encode(rows, 3);
    struct roster roster = {0};
    (void)state;
    roster_read(&roster, list);
    roster_read(&roster, list); /* in the place of what was there */
    assert_int_equal(roster.count, 3);
    assert_int_equal(roster_voters(&roster), 1);
    assert_string_equal(roster.at[0].address,
                        ""); /* not of our making: a member whose address is not known */
    assert_string_equal(roster.at[1].address, "b:2");
    assert_int_equal(roster.at[2].kind, RAFT_REMOVED);
    roster_close(&roster);
    raft_blob_unref(list);
}

static void who_is_not_among_its_founders_has_joined(void **state) {
    struct store_identity identity = identity_make(1);
    (void)state;
    assert_false(roster_joined(&identity));
    identity.node = 4;
    assert_true(roster_joined(&identity));
}

static void an_address_is_a_host_and_a_port_behind_the_last_colon(void **state) {
    char host[16];
    unsigned port;
    (void)state;
    assert_true(member_split_address("fe80::1:7000", host, sizeof host, &port));
    assert_string_equal(host, "fe80::1");
    assert_int_equal(port, 7000);
    static const char *const bad[] = {
        "", ":7000", "host", "host:", "host:0", "host:65536", "host:7x", "a-host-of-16-byt:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(member_split_address(bad[i], host, sizeof host, &port));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_comes_back_from_its_bytes),
        cmocka_unit_test(the_bytes_are_these),
        cmocka_unit_test(bytes_that_are_no_member_are_refused_and_leave_nothing),
        cmocka_unit_test(all_founders_begin_with_the_same_list_of_voters),
        cmocka_unit_test(learners_and_removed_members_are_read_but_do_not_vote),
        cmocka_unit_test(who_is_not_among_its_founders_has_joined),
        cmocka_unit_test(an_address_is_a_host_and_a_port_behind_the_last_colon),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
