/* SPDX-License-Identifier: MIT */
/* How a cluster forms, who it then is, and where its secret comes from. */
#include <unistd.h>

#include "admission_world.h"

static struct world world;

static uint64_t random_state;

static size_t random_below(size_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % bound;
}

static bool is_hex(const char *id) {
    return strlen(id) == STORE_ID_LENGTH && strspn(id, "0123456789abcdef") == STORE_ID_LENGTH;
}

static size_t formed_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < world.count; i++)
        count += world.nodes[i].identity.cluster[0] != '\0';
    return count;
}

/* ---- forming ---------------------------------------------------------------------------------------------------- */

static void nobody_forms_before_it_has_met_all(void **state) {
    (void)state;
    set_up_world(&world, 3, "");
    for (size_t i = 0; i < 3; i++)
        assert_false(admission_form(&world.nodes[i]));
    assert_false(meet(&world, 0, 1));
    assert_false(meet(&world, 1, 0)); /* the same two again are no third */
    assert_int_equal(formed_count(), 0);
    assert_true(meet(&world, 2, 0)); /* node 1 has met both */
    assert_int_equal(formed_count(), 1);
    assert_true(world.nodes[0].identity.cluster[0] != '\0');
    assert_true(meet(&world, 1, 2)); /* 2 and 3 have now met both */
    assert_int_equal(formed_count(), 3);
}

static void forming_happens_once(void **state) {
    (void)state;
    set_up_world(&world, 3, "");
    meet_all(&world);
    assert_int_equal(formed_count(), 3);
    char cluster[STORE_ID_LENGTH + 1];
    strcpy(cluster, world.nodes[0].identity.cluster);
    assert_false(meet(&world, 0, 1));
    assert_false(admission_form(&world.nodes[0]));
    assert_string_equal(world.nodes[0].identity.cluster, cluster);
}

static void a_cluster_of_one_forms_by_itself(void **state) {
    (void)state;
    set_up_world(&world, 1, "");
    assert_true(admission_form(&world.nodes[0]));
    assert_true(is_hex(world.nodes[0].identity.cluster));
    assert_false(admission_form(&world.nodes[0]));
}

/* Whoever dials whom and when; some have formed while others have yet to meet. */
static void in_whatever_order_they_meet_all_compute_the_same_cluster(void **state) {
    (void)state;
    random_state = 5;
    for (unsigned round = 0; round < 60; round++) {
        set_up_world(&world, 1 + random_below(WORLD_NODES_MAX), round % 2 ? "" : "a secret for all of them");
        if (world.count == 1)
            admission_form(&world.nodes[0]);
        for (unsigned step = 0; formed_count() < world.count; step++) {
            assert_true(step < 2000);
            size_t dialler = random_below(world.count), dialled = random_below(world.count);
            if (dialler != dialled)
                meet(&world, dialler, dialled);
        }
        for (size_t i = 0; i < world.count; i++) {
            const struct store_identity *identity = &world.nodes[i].identity;
            assert_true(is_hex(identity->cluster));
            assert_string_equal(identity->cluster, world.nodes[0].identity.cluster);
            for (size_t j = 0; j < world.count; j++)
                assert_string_equal(identity->members[j].incarnation,
                                    world.nodes[identity->members[j].id - 1].identity.incarnation);
        }
    }
}

static void the_cluster_id_depends_on_name_ids_and_incarnations_and_on_nothing_else(void **state) {
    static struct admission first, other;
    (void)state;
    set_up_world(&world, 1, "");
    first = other = world.nodes[0];
    assert_true(admission_form(&first));
    strcpy(other.identity.members[0].address, "elsewhere:1");
    strcpy(other.announced, "elsewhere:2");
    assert_true(admission_form(&other));
    assert_string_equal(other.identity.cluster, first.identity.cluster);

    other = world.nodes[0];
    strcpy(other.name, "another");
    assert_true(admission_form(&other));
    assert_string_not_equal(other.identity.cluster, first.identity.cluster);

    other = world.nodes[0];
    other.identity.members[0].id = 2;
    assert_true(admission_form(&other));
    assert_string_not_equal(other.identity.cluster, first.identity.cluster);

    other = world.nodes[0];
    char *digit = &other.identity.members[0].incarnation[STORE_ID_LENGTH - 1];
    *digit = *digit == '0' ? '1' : '0';
    assert_true(admission_form(&other));
    assert_string_not_equal(other.identity.cluster, first.identity.cluster);
}

static void a_known_incarnation_is_not_overwritten(void **state) {
    static struct admission_facts facts;
    (void)state;
    set_up_world(&world, 3, "");
    meet(&world, 0, 1);
    facts.from = 2;
    memset(facts.incarnation, 'f', STORE_ID_LENGTH);
    assert_false(admission_meet(&world.nodes[0], &facts));
    assert_string_equal(world.nodes[0].identity.members[1].incarnation, world.nodes[1].identity.incarnation);
    facts.from = 9; /* a stranger completes nothing */
    assert_false(admission_meet(&world.nodes[0], &facts));
}

/* ---- chance ------------------------------------------------------------------------------------------------------- */

static void random_ids_are_hex_and_differ(void **state) {
    enum { COUNT = 200 };
    static char ids[COUNT][STORE_ID_LENGTH + 1];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        admission_random_id(ids[i]);
        assert_true(is_hex(ids[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    assert_true(admission_random() != admission_random());
}

/* ---- the secret --------------------------------------------------------------------------------------------------- */

static void the_secret_is_the_files_first_line(void **state) {
    static const struct {
        const char *text, *secret; /* NULL: refused */
    } rows[] = {
        {"0123456789abcdef", "0123456789abcdef"},
        {"0123456789abcdef\n", "0123456789abcdef"},
        {"0123456789abcdef\r\n", "0123456789abcdef"},
        {"with spaces, and 'quotes' \n# not this\n", "with spaces, and 'quotes' "},
        {"0123456789abcde\n", NULL},
        {"\n0123456789abcdef\n", NULL},
        {"", NULL},
    };
    static struct admission node;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[] = "/tmp/redraft-secret-XXXXXX", why[ADMISSION_WHY_MAX] = "", expected[256];
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, rows[i].text, strlen(rows[i].text)), strlen(rows[i].text));
        close(fd);
        memset(&node, 0, sizeof node);
        assert_int_equal(admission_read_secret(&node, path, why), rows[i].secret != NULL);
        unlink(path);
        if (rows[i].secret) {
            assert_int_equal(node.secret_length, strlen(rows[i].secret));
            assert_memory_equal(node.secret, rows[i].secret, node.secret_length);
            continue;
        }
        snprintf(expected, sizeof expected,
                 "raft-secret-file %s: its first line must hold a secret of 16 to %zu bytes", path,
                 sizeof node.secret - 2);
        assert_string_equal(why, expected);
    }
}

static void a_secret_file_that_cannot_be_read_is_named_with_the_reason(void **state) {
    static struct admission node;
    char why[ADMISSION_WHY_MAX];
    (void)state;
    assert_false(admission_read_secret(&node, "/nonexistent/secret", why));
    assert_string_equal(why, "raft-secret-file /nonexistent/secret: No such file or directory");
    assert_false(admission_read_secret(&node, "/", why)); /* a directory opens, but has no line */
    assert_non_null(strstr(why, "raft-secret-file /: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_forms_before_it_has_met_all),
        cmocka_unit_test(forming_happens_once),
        cmocka_unit_test(a_cluster_of_one_forms_by_itself),
        cmocka_unit_test(in_whatever_order_they_meet_all_compute_the_same_cluster),
        cmocka_unit_test(the_cluster_id_depends_on_name_ids_and_incarnations_and_on_nothing_else),
        cmocka_unit_test(a_known_incarnation_is_not_overwritten),
        cmocka_unit_test(random_ids_are_hex_and_differ),
        cmocka_unit_test(the_secret_is_the_files_first_line),
        cmocka_unit_test(a_secret_file_that_cannot_be_read_is_named_with_the_reason),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
