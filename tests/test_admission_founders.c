/* SPDX-License-Identifier: MIT */
/* An initial member that has not met all others takes them from one that has, and only if they give the cluster's id. */
#include "admission_world.h"

enum { COUNT = 4 };

static struct world world;
static struct handshake shake;

/* All form but node 1, which is as it was before it met anybody. */
static int begin(void **state) {
    (void)state;
    static struct admission fresh;
    set_up_world(&world, COUNT, "a secret of more than 16 bytes");
    fresh = world.nodes[0];
    meet_all(&world);
    world.nodes[0] = fresh;
    return 0;
}

static int end(void **state) {
    (void)state;
    handshake_close(&shake);
    return 0;
}

/* What stands behind the + of the dialled side's last word. */
static struct resp_arg last_word(void) {
    const char *bytes = resp_buf_bytes(&shake.reply);
    size_t length = resp_buf_length(&shake.reply);
    assert_true(length > 3 && bytes[0] == '+' && memcmp(bytes + length - 2, "\r\n", 2) == 0);
    return (struct resp_arg){bytes + 1, length - 3};
}

static bool is_fresh(void) {
    const struct store_identity *identity = &world.nodes[0].identity;
    size_t met = 0;
    for (size_t i = 0; i < COUNT; i++)
        met += identity->members[i].incarnation[0] != 0;
    return met == 1 && identity->cluster[0] == 0;
}

static const char *incarnation_of(const struct admission *node, raft_id id) {
    for (size_t i = 0; i < node->identity.member_count; i++)
        if (node->identity.members[i].id == id)
            return node->identity.members[i].incarnation;
    return NULL;
}

/* Node 1 is told `text` by node 2. */
static bool told(const char *text) {
    struct resp_arg reply = arg_of(text);
    return admission_told(&world.nodes[0], &shake.dial.theirs, &reply);
}

static void one_that_has_formed_tells_one_that_has_not(void **state) {
    (void)state;
    assert_int_equal(shake_between(&world, 0, 1, &shake), LINKED);
    struct resp_arg reply = last_word();
    assert_true(is_fresh());
    assert_true(admission_told(&world.nodes[0], &shake.dial.theirs, &reply));
    assert_string_equal(world.nodes[0].identity.cluster, world.nodes[3].identity.cluster);
    for (raft_id id = 1; id <= COUNT; id++)
        assert_string_equal(incarnation_of(&world.nodes[0], id), incarnation_of(&world.nodes[3], id));
    assert_false(admission_told(&world.nodes[0], &shake.dial.theirs, &reply)); /* nothing is new */
}

static void assert_ok(size_t dialler, size_t dialled) {
    assert_int_equal(shake_between(&world, dialler, dialled, &shake), LINKED);
    assert_true(resp_arg_is(&(struct resp_arg){last_word().bytes, last_word().length}, "OK"));
}

static void others_are_told_nothing(void **state) {
    (void)state;
    assert_ok(1, 2); /* both have formed */
    assert_ok(1, 0); /* who has not formed cannot tell */
}

static void what_does_not_give_the_clusters_id_changes_nothing(void **state) {
    char right[ADMISSION_FOUNDERS_MAX], wrong[2 * ADMISSION_FOUNDERS_MAX];
    (void)state;
    assert_int_equal(shake_between(&world, 0, 1, &shake), LINKED);
    snprintf(right, sizeof right, "%.*s", (int)last_word().length, last_word().bytes);

    for (size_t i = 0; right[i]; i++) { /* any letter another one */
        strcpy(wrong, right);
        wrong[i] = wrong[i] == '7' ? '8' : '7';
        assert_false(told(wrong));
        assert_true(is_fresh());
    }
    for (size_t length = 0; right[length]; length++) { /* any end missing */
        snprintf(wrong, sizeof wrong, "%.*s", (int)length, right);
        assert_false(told(wrong));
        assert_true(is_fresh());
    }
    snprintf(wrong, sizeof wrong, "%s%s", right, strchr(right, ' '));
    assert_false(told(wrong));
    snprintf(wrong, sizeof wrong, "%s 9=%s", right, world.nodes[1].identity.incarnation);
    assert_false(told(wrong));
    memset(wrong, 'x', sizeof wrong - 1);
    wrong[sizeof wrong - 1] = 0;
    assert_false(told(wrong));
    assert_true(is_fresh());
    assert_true(told(right));
}

static void who_says_no_cluster_is_not_believed(void **state) {
    char right[ADMISSION_FOUNDERS_MAX];
    (void)state;
    assert_int_equal(shake_between(&world, 0, 1, &shake), LINKED);
    snprintf(right, sizeof right, "%.*s", (int)last_word().length, last_word().bytes);
    strcpy(shake.dial.theirs.cluster, "");
    assert_false(told(right));
    assert_true(is_fresh());
}

/* The incarnations of another cluster of these lines. */
static void one_that_it_has_met_must_be_who_it_was(void **state) {
    char right[ADMISSION_FOUNDERS_MAX];
    (void)state;
    assert_int_equal(shake_between(&world, 0, 1, &shake), LINKED);
    snprintf(right, sizeof right, "%.*s", (int)last_word().length, last_word().bytes);
    for (size_t i = 0; i < COUNT; i++)
        if (world.nodes[0].identity.members[i].id == 3)
            admission_random_id(world.nodes[0].identity.members[i].incarnation);
    assert_false(told(right));
    assert_int_equal(world.nodes[0].identity.cluster[0], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_that_has_formed_tells_one_that_has_not),
        TEST(others_are_told_nothing),
        TEST(what_does_not_give_the_clusters_id_changes_nothing),
        TEST(who_says_no_cluster_is_not_believed),
        TEST(one_that_it_has_met_must_be_who_it_was),
    };
    return cmocka_run_group_tests_name("admission: founders", tests, NULL, NULL);
}
