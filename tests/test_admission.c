/* SPDX-License-Identifier: MIT */
/* Who may be a peer: the handshake with and without a secret, everything that is refused and in which words. */
#include "admission_world.h"

#define SECRET "a secret of more than 16 bytes"

static struct world world;
static struct handshake shake;

static int begin(void **state) {
    (void)state;
    set_up_world(&world, 3, SECRET);
    return 0;
}

static int end(void **state) {
    (void)state;
    handshake_close(&shake);
    return 0;
}

static enum stage link_1_to_2(void) {
    return shake_between(&world, 0, 1, &shake);
}

/* ---- let in --------------------------------------------------------------------------------------------------- */

static void two_members_link_and_know_each_others_facts(void **state) {
    (void)state;
    assert_int_equal(link_1_to_2(), LINKED);
    assert_int_equal(resp_buf_length(&shake.reply), 5);
    assert_memory_equal(resp_buf_bytes(&shake.reply), "+OK\r\n", 5);
    const struct admission_facts *of_1 = &shake.answer.theirs, *of_2 = &shake.dial.theirs;
    assert_int_equal(of_1->from, 1);
    assert_int_equal(of_1->to, 2);
    assert_int_equal(of_2->from, 2);
    assert_int_equal(of_2->to, 1);
    assert_int_equal(of_2->protocol, ADMISSION_PROTOCOL);
    assert_string_equal(of_2->announced, "10.0.0.2:7000");
    assert_string_equal(of_1->members, "1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000");
    assert_string_equal(of_2->members, of_1->members);
    assert_string_equal(of_1->incarnation, world.nodes[0].identity.incarnation);
    assert_string_equal(of_2->incarnation, world.nodes[1].identity.incarnation);
    assert_string_equal(of_1->cluster, "");
    assert_int_equal(shake.auth.args[1].length, ADMISSION_PROOF_LENGTH);
}

static void without_a_secret_on_either_side_they_link_too(void **state) {
    (void)state;
    set_up_world(&world, 3, "");
    assert_int_equal(link_1_to_2(), LINKED);
    assert_true(resp_arg_is(&shake.auth.args[1], "-"));
}

static void members_of_a_formed_cluster_link_whatever_their_addresses_have_become(void **state) {
    (void)state;
    meet_all(&world);
    strcpy(world.nodes[0].identity.members[1].address, "192.168.7.7:9999");
    assert_int_equal(link_1_to_2(), LINKED);
    assert_string_equal(shake.answer.theirs.cluster, world.nodes[1].identity.cluster);
}

/* ---- secrets -------------------------------------------------------------------------------------------------- */

static void a_secret_that_one_side_lacks_or_has_otherwise_keeps_them_apart(void **state) {
    static const struct {
        const char *dialler, *dialled;
    } rows[] = {
        {SECRET, "another secret, as long as this"}, {SECRET, ""}, {"", SECRET}, {SECRET, SECRET "x"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up_node(&world.nodes[0], 0, 3, rows[i].dialler);
        set_up_node(&world.nodes[1], 1, 3, rows[i].dialled);
        assert_int_equal(link_1_to_2(), ANSWER_REFUSED);
        assert_string_equal(shake.why, "node 2 could not prove that it knows the raft-secret");
    }
}

static void a_dialler_that_does_not_know_the_secret_is_not_let_in(void **state) {
    static struct handshake own; /* between accomplices, with a secret of their own */
    (void)state;
    set_up_node(&world.nodes[2], 0, 3, "the wrong secret of an intruder"); /* a node 1 of its own making */
    static struct admission accomplice;
    set_up_node(&accomplice, 1, 3, "the wrong secret of an intruder");
    assert_int_equal(shake_hands(&own, &world.nodes[2], &accomplice, 2), LINKED);
    char wrong[ADMISSION_PROOF_LENGTH + 1] = "";
    memset(wrong, '0', ADMISSION_PROOF_LENGTH);
    const struct resp_arg proofs[] = {own.auth.args[1], arg_of("-"), arg_of(""), arg_of(wrong),
                                      arg_of("abc")};
    for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++) {
        shake_hello(&shake, &world.nodes[2], 2);
        assert_true(shake_answer(&shake, &world.nodes[1]));
        shake.auth.args[0] = arg_of("RAFT.AUTH");
        shake.auth.args[1] = proofs[i];
        shake.auth.count = 2;
        assert_false(shake_proved(&shake, &world.nodes[1]));
        assert_string_equal(shake.why, "node 1 could not prove that it knows the raft-secret");
        assert_refused_aloud(&shake);
    }
    handshake_close(&own);
}

static void a_recorded_hello_and_proof_do_not_pass_again(void **state) {
    (void)state;
    assert_int_equal(link_1_to_2(), LINKED);
    assert_true(shake_answer(&shake, &world.nodes[1])); /* the same hello again: another nonce */
    assert_false(shake_proved(&shake, &world.nodes[1]));
    assert_refused_aloud(&shake);
}

static void a_recorded_answer_does_not_pass_again(void **state) {
    (void)state;
    assert_int_equal(link_1_to_2(), LINKED);
    shake_hello(&shake, &world.nodes[0], 2);
    assert_false(shake_prove(&shake, &world.nodes[0])); /* what node 2 answered to the first hello */
    assert_string_equal(shake.why, "node 2 could not prove that it knows the raft-secret");
}

/* Whoever dials without the secret shows the answer's own proof. */
static void the_proof_of_the_answer_does_not_serve_as_the_diallers(void **state) {
    (void)state;
    shake_hello(&shake, &world.nodes[0], 2);
    assert_true(shake_answer(&shake, &world.nodes[1]));
    shake.auth.args[0] = arg_of("RAFT.AUTH");
    shake.auth.args[1] = shake.answered.args[FACT_PROOF];
    shake.auth.count = 2;
    assert_false(shake_proved(&shake, &world.nodes[1]));
    assert_refused_aloud(&shake);
}

/* Node 1 dials an intruder, who says hello to node 1 with its own nonce, and hands node 1's proof back to it as node 2's. */
static void a_mirrored_answer_is_refused(void **state) {
    static struct handshake back;
    (void)state;
    shake_hello(&shake, &world.nodes[0], 2);
    shake_hello(&back, &world.nodes[1], 1);
    back.hello.args[1 + FACT_NONCE] = shake.hello.args[1 + FACT_NONCE];
    assert_true(shake_answer(&back, &world.nodes[0]));
    shake.answered.count = ANSWER_ARGS;
    memcpy(shake.answered.args, back.answered.args, sizeof back.answered.args);
    assert_false(shake_prove(&shake, &world.nodes[0]));
    assert_string_equal(shake.why, "node 1 answers where node 2 was expected");
    memcpy(shake.answered.args, back.hello.args + 1, FACTS * sizeof *back.hello.args); /* node 2's facts */
    assert_false(shake_prove(&shake, &world.nodes[0]));
    assert_string_equal(shake.why, "node 2 could not prove that it knows the raft-secret");
    handshake_close(&back);
}

static void no_fact_can_be_changed_on_the_way(void **state) {
    static const struct {
        enum fact fact;
        const char *value;
    } rows[] = {{FACT_OFFERS, "9"},
                {FACT_LEVEL, "9"},
                {FACT_PATIENCE, "600"},
                {FACT_VERSION, "0.0.0"},
                {FACT_ANNOUNCED, "6.6.6.6:6"},
                {FACT_INCARNATION, "0123456789012345678901234567890123456789"},
                {FACT_NONCE, "00"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shake_hello(&shake, &world.nodes[0], 2);
        assert_true(shake_answer(&shake, &world.nodes[1]));
        shake.answered.args[rows[i].fact] = arg_of(rows[i].value);
        assert_false(shake_prove(&shake, &world.nodes[0]));
        assert_string_equal(shake.why, "node 2 could not prove that it knows the raft-secret");

        shake_hello(&shake, &world.nodes[0], 2);
        shake.hello.args[1 + rows[i].fact] = arg_of(rows[i].value);
        assert_true(shake_answer(&shake, &world.nodes[1]));
        assert_false(shake_prove(&shake, &world.nodes[0])); /* it proves facts that node 1 did not tell */
    }
}

static void a_proof_without_an_answered_hello_is_refused_also_without_a_secret(void **state) {
    (void)state;
    set_up_world(&world, 3, "");
    shake.auth.args[0] = arg_of("RAFT.AUTH");
    shake.auth.args[1] = arg_of("-");
    shake.auth.count = 2;
    assert_false(shake_proved(&shake, &world.nodes[1])); /* no hello at all */
    assert_refused_aloud(&shake);
    strcpy(world.nodes[0].name, "other");
    assert_int_equal(link_1_to_2(), HELLO_REFUSED);
    shake.auth.args[0] = arg_of("RAFT.AUTH");
    shake.auth.args[1] = arg_of("-");
    shake.auth.count = 2;
    assert_false(shake_proved(&shake, &world.nodes[1]));
    assert_refused_aloud(&shake);
    strcpy(world.nodes[0].name, "test");
    shake_hello(&shake, &world.nodes[0], 2);
    assert_true(shake_answer(&shake, &world.nodes[1]));
    for (shake.auth.count = 1; shake.auth.count <= 3; shake.auth.count++) {
        shake.auth.args[2] = arg_of("-");
        assert_int_equal(shake_proved(&shake, &world.nodes[1]), shake.auth.count == 2);
    }
}

/* ---- out of place -------------------------------------------------------------------------------------------- */

static void a_node_that_does_not_belong_is_told_why(void **state) {
    static const struct {
        enum fact fact;
        const char *value, *why;
    } rows[] = {
        {FACT_NAME, "prod", "node 1 belongs to cluster 'prod', node 2 to 'test' (raft-cluster-name)"},
        {FACT_TO, "3", "node 1 takes this address for node 3's, but node 2 answers here"},
        {FACT_FROM, "2", "node 2 met a second node 2: an id may be used once (raft-id)"},
        {FACT_FROM, "9", "node 9 is not a member: the members of node 2 are its raft-node lines"},
        {FACT_PROTOCOL, "1", "node 1 speaks peer protocol 1, node 2 speaks 4"},
        {FACT_PROTOCOL, "0", "node 1 speaks peer protocol 0, node 2 speaks 4"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shake_hello(&shake, &world.nodes[0], 2);
        shake.hello.args[1 + rows[i].fact] = arg_of(rows[i].value);
        assert_false(shake_answer(&shake, &world.nodes[1]));
        assert_string_equal(shake.why, rows[i].why);
        assert_refused_aloud(&shake);
    }
}

static void the_dialler_judges_the_answer_likewise(void **state) {
    static const struct {
        enum fact fact;
        const char *value, *why;
    } rows[] = {
        {FACT_FROM, "3", "node 3 answers where node 2 was expected"},
        {FACT_NAME, "prod", "node 2 belongs to cluster 'prod', node 1 to 'test' (raft-cluster-name)"},
        {FACT_TO, "3", "node 2 takes this address for node 3's, but node 1 answers here"},
        {FACT_PROTOCOL, "7", "node 2 speaks peer protocol 7, node 1 speaks 4"},
    };
    (void)state;
    set_up_world(&world, 3, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shake_hello(&shake, &world.nodes[0], 2);
        assert_true(shake_answer(&shake, &world.nodes[1]));
        shake.answered.args[rows[i].fact] = arg_of(rows[i].value);
        assert_false(shake_prove(&shake, &world.nodes[0]));
        assert_string_equal(shake.why, rows[i].why);
    }
}

static void a_node_whose_disk_is_new_is_refused_in_words_from_either_side(void **state) {
    char expected[ADMISSION_WHY_MAX];
    (void)state;
    meet_all(&world);
    char known[STORE_ID_LENGTH + 1];
    strcpy(known, world.nodes[1].identity.incarnation);
    set_up_node(&world.nodes[1], 1, 3, SECRET);
    snprintf(expected, sizeof expected,
             "node 2 is known as incarnation %.8s, this one is %.8s: its data directory is new. Wrong dir or "
             "mount? If its disk is lost, remove the node from the cluster and add it again",
             known, world.nodes[1].identity.incarnation);
    assert_int_equal(shake_between(&world, 1, 0, &shake), HELLO_REFUSED);
    assert_string_equal(shake.why, expected);
    assert_refused_aloud(&shake);
    assert_int_equal(link_1_to_2(), ANSWER_REFUSED);
    assert_string_equal(shake.why, expected);
}

static void a_node_that_lost_its_disk_while_the_cluster_forms_is_refused_by_those_it_had_met(void **state) {
    (void)state;
    meet(&world, 0, 1);
    set_up_node(&world.nodes[1], 1, 3, SECRET);
    assert_int_equal(shake_between(&world, 1, 0, &shake), HELLO_REFUSED);
    assert_non_null(strstr(shake.why, "its data directory is new"));
}

static void member_lists_that_differ_are_both_named(void **state) {
    (void)state;
    strcpy(world.nodes[1].identity.members[1].address, "10.0.0.33:7000"); /* of node 3 */
    assert_int_equal(link_1_to_2(), HELLO_REFUSED);
    assert_string_equal(shake.why, "the raft-node lines differ: "
                                   "node 2 has 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.33:7000, "
                                   "node 1 has 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000");
    assert_refused_aloud(&shake);
    set_up_world(&world, 3, "");
    shake_hello(&shake, &world.nodes[0], 2);
    assert_true(shake_answer(&shake, &world.nodes[1]));
    shake.answered.args[FACT_MEMBERS] = arg_of("1=a:1,2=b:2");
    assert_false(shake_prove(&shake, &world.nodes[0]));
    assert_string_equal(shake.why, "the raft-node lines differ: "
                                   "node 1 has 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000, "
                                   "node 2 has 1=a:1,2=b:2");
}

static void a_node_of_another_cluster_of_the_same_name_is_refused(void **state) {
    static struct world other;
    char expected[ADMISSION_WHY_MAX];
    (void)state;
    set_up_world(&other, 3, SECRET);
    meet_all(&world);
    meet_all(&other);
    assert_int_equal(shake_hands(&shake, &other.nodes[0], &world.nodes[1], 2), HELLO_REFUSED);
    snprintf(expected, sizeof expected, "node 1 belongs to another cluster (%s) of this name; this is %s",
             other.nodes[0].identity.cluster, world.nodes[1].identity.cluster);
    assert_string_equal(shake.why, expected);
}

/* ---- malformed ------------------------------------------------------------------------------------------------ */

static void a_hello_with_a_malformed_fact_is_refused(void **state) {
    static char long_text[STORE_MEMBERS_MAX * 300 + 1];
    static const struct {
        enum fact fact;
        size_t too_long; /* so many bytes are one too many; 0: `value` */
        const char *value;
    } rows[] = {
        {FACT_PROTOCOL, 0, ""},
        {FACT_PROTOCOL, 0, "x"},
        {FACT_PROTOCOL, 0, "-1"},
        {FACT_FROM, 0, "-1"},
        {FACT_FROM, 0, "1.0"},
        {FACT_TO, 0, ""},
        {FACT_TO, 0, "9223372036854775808"},
        {FACT_NAME, ADMISSION_TEXT_MAX, NULL},
        {FACT_CLUSTER, STORE_ID_LENGTH + 1, NULL},
        {FACT_INCARNATION, STORE_ID_LENGTH + 1, NULL},
        {FACT_INCARNATION, STORE_ID_LENGTH - 1, NULL},
        {FACT_INCARNATION, 0, ""},
        {FACT_MEMBERS, STORE_MEMBERS_MAX * 300, NULL},
        {FACT_OFFERS, 0, "-2"},
        {FACT_OFFERS, 0, "4294967297"},
        {FACT_LEVEL, 0, "x"},
        {FACT_LEVEL, 0, "4294967296"},
        {FACT_VERSION, 32, NULL},
        {FACT_ANNOUNCED, STORE_ADDRESS_MAX, NULL},
        {FACT_NONCE, ADMISSION_NONCE_LENGTH + 1, NULL},
    };
    (void)state;
    memset(long_text, 'a', sizeof long_text - 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct resp_arg spoilt =
            rows[i].too_long ? (struct resp_arg){long_text, rows[i].too_long} : arg_of(rows[i].value);
        shake_hello(&shake, &world.nodes[0], 2);
        shake.hello.args[1 + rows[i].fact] = spoilt;
        assert_false(shake_answer(&shake, &world.nodes[1]));
        assert_string_equal(shake.why, "RAFT.HELLO is malformed");
        assert_refused_aloud(&shake);

        shake_hello(&shake, &world.nodes[0], 2);
        assert_true(shake_answer(&shake, &world.nodes[1]));
        shake.answered.args[rows[i].fact] = spoilt;
        assert_false(shake_prove(&shake, &world.nodes[0]));
        assert_string_equal(shake.why, "the answer to RAFT.HELLO is malformed");
    }
}

static void another_protocol_is_named_whatever_else_it_says(void **state) {
    (void)state;
    shake_hello(&shake, &world.nodes[0], 2);
    shake.hello.args[1 + FACT_PROTOCOL] = arg_of("9");
    shake.hello.count = 4;
    assert_false(shake_answer(&shake, &world.nodes[1]));
    assert_string_equal(shake.why, "node 1 speaks peer protocol 9, node 2 speaks 4");
    assert_refused_aloud(&shake);
    shake_hello(&shake, &world.nodes[0], 2);
    assert_true(shake_answer(&shake, &world.nodes[1]));
    shake.answered.args[FACT_PROTOCOL] = arg_of("9");
    shake.answered.count = 3;
    assert_false(shake_prove(&shake, &world.nodes[0]));
    assert_string_equal(shake.why, "node 2 speaks peer protocol 9, node 1 speaks 4");
}

static void texts_with_a_zero_byte_are_malformed(void **state) {
    static const enum fact texts[] = {FACT_NAME,    FACT_CLUSTER,   FACT_INCARNATION, FACT_MEMBERS,
                                      FACT_VERSION, FACT_ANNOUNCED, FACT_NONCE};
    char id[STORE_ID_LENGTH] = "test";
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        shake_hello(&shake, &world.nodes[0], 2);
        shake.hello.args[1 + texts[i]] = (struct resp_arg){id, texts[i] == FACT_INCARNATION ? sizeof id : 5};
        assert_false(shake_answer(&shake, &world.nodes[1]));
        assert_string_equal(shake.why, "RAFT.HELLO is malformed");
    }
}

static void a_hello_or_an_answer_with_too_few_or_too_many_words_is_malformed(void **state) {
    (void)state;
    for (size_t count = 1; count <= HELLO_ARGS + 1; count++) {
        shake_hello(&shake, &world.nodes[0], 2);
        shake.hello.args[HELLO_ARGS] = arg_of("more");
        shake.hello.count = count;
        assert_int_equal(shake_answer(&shake, &world.nodes[1]), count == HELLO_ARGS);
    }
    for (size_t count = 0; count <= ANSWER_ARGS + 1; count++) {
        shake_hello(&shake, &world.nodes[0], 2);
        assert_true(shake_answer(&shake, &world.nodes[1]));
        shake.answered.args[ANSWER_ARGS] = arg_of("more");
        shake.answered.count = count;
        assert_int_equal(shake_prove(&shake, &world.nodes[0]), count == ANSWER_ARGS);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* ---- members that come and go ---------------------------------------------------------------------------------- */

/* The cluster of three has formed, and everybody has this list. */
static struct roster list;

static void list_begin(void) {
    meet_all(&world);
    roster_read_identity(&list, &world.nodes[0].identity);
    for (size_t i = 0; i < 3; i++) {
        world.nodes[i].members = &list;
        world.nodes[i].settled = true;
    }
}

static struct member *list_add(raft_id id, enum raft_member_kind kind, const char *incarnation) {
    list.at = realloc(list.at, (list.count + 1) * sizeof *list.at);
    struct member *member = &list.at[list.count++];
    *member = (struct member){.id = id, .kind = kind};
    strcpy(member->incarnation, incarnation);
    return member;
}

static int list_end(void **state) {
    roster_close(&list);
    return end(state);
}

/* Node 4, with an empty directory. */
static struct admission *newcomer(void) {
    static struct admission node;
    set_up_node(&node, 3, 0, SECRET);
    strcpy(node.address, "10.0.0.4:7000");
    return &node;
}

static void assert_reply(const char *expected) {
    assert_int_equal(resp_buf_length(&shake.reply), strlen(expected));
    assert_memory_equal(resp_buf_bytes(&shake.reply), expected, strlen(expected));
}

static void a_new_node_that_nobody_added_is_told_what_to_do(void **state) {
    (void)state;
    list_begin();
    assert_int_equal(shake_hands(&shake, newcomer(), &world.nodes[1], 0), HELLO_REFUSED);
    assert_refused_aloud(&shake);
    assert_non_null(strstr(shake.why, "RAFT.NODE ADD 4 <host>:<port>"));
}

static void a_new_node_waits_until_the_list_has_its_incarnation(void **state) {
    (void)state;
    list_begin();
    struct admission *four = newcomer();
    struct member *listed = list_add(4, RAFT_LEARNER, "");
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 0), AUTH_REFUSED);
    assert_true(shake.answer.claims);
    assert_reply("-WAIT - node 4 is being taken in\r\n");
    assert_string_equal(shake.answer.theirs.address, "10.0.0.4:7000");
    handshake_close(&shake);
    strcpy(world.nodes[1].leader, "10.0.0.1:7000");
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 0), AUTH_REFUSED);
    assert_reply("-WAIT 10.0.0.1:7000 node 4 is being taken in\r\n");
    handshake_close(&shake);
    strcpy(listed->incarnation, four->identity.incarnation);
    strcpy(listed->address, "10.0.0.4:7000");
    list_add(5, RAFT_REMOVED, "");
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 0), LINKED);
    assert_false(shake.answer.claims);
    assert_string_equal(shake.dial.theirs.cluster, world.nodes[1].identity.cluster);
    assert_string_equal(shake.dial.theirs.members,
                        "1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000,4=10.0.0.4:7000");
}

/* It has led since, perhaps, and only it could bring the list that has its incarnation. */
static void a_member_that_was_taken_in_elsewhere_is_let_in_by_an_older_list(void **state) {
    (void)state;
    list_begin();
    struct admission *four = newcomer();
    list_add(4, RAFT_LEARNER, "");
    strcpy(four->identity.cluster, world.nodes[1].identity.cluster);
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 2), LINKED);
    assert_false(shake.answer.claims);
}

/* Node 2 was taken in itself, and has no list yet: it knows who was a member then, but no incarnations. */
static void a_node_that_has_no_list_yet_takes_nobody_in(void **state) {
    (void)state;
    list_begin();
    struct admission *four = newcomer(), *two = &world.nodes[1];
    two->members = NULL;
    two->identity.members[two->identity.member_count++] = (struct store_member){.id = 4};
    assert_int_equal(shake_hands(&shake, four, two, 0), AUTH_REFUSED);
    assert_false(shake.answer.claims);
    assert_reply("-WAIT - node 2 does not know the members yet\r\n");
}

static void a_new_node_that_does_not_know_the_secret_claims_nothing(void **state) {
    (void)state;
    list_begin();
    list_add(4, RAFT_LEARNER, "");
    struct admission *four = newcomer();
    strcpy(four->secret, "another secret of 16 bytes");
    four->secret_length = strlen(four->secret);
    assert_int_not_equal(shake_hands(&shake, four, &world.nodes[1], 0), LINKED);
    assert_false(shake.answer.claims);
}

static void a_member_of_the_list_with_another_incarnation_is_refused(void **state) {
    (void)state;
    list_begin();
    struct admission *four = newcomer();
    list_add(4, RAFT_VOTER, world.nodes[0].identity.incarnation);
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 0), HELLO_REFUSED);
    assert_refused_aloud(&shake);
    assert_non_null(strstr(shake.why, "its data directory is new"));
}

static void a_removed_member_is_told_so_once_both_have_proved_themselves(void **state) {
    (void)state;
    list_begin();
    list.at[0].kind = RAFT_REMOVED;
    assert_int_equal(link_1_to_2(), AUTH_REFUSED);
    assert_true(shake.dial.proven);
    assert_reply("-REMOVED node 1 was removed from the cluster\r\n");
}

/* A list that is not committed may be taken back: without the one that it removes it might never be. */
static void a_member_whose_removal_is_not_settled_is_let_in(void **state) {
    (void)state;
    list_begin();
    list.at[0].kind = RAFT_REMOVED;
    world.nodes[1].settled = false;
    assert_int_equal(link_1_to_2(), LINKED);
}

static void a_removed_members_id_is_not_used_again(void **state) {
    (void)state;
    list_begin();
    list_add(4, RAFT_REMOVED, "");
    assert_int_equal(shake_hands(&shake, newcomer(), &world.nodes[1], 0), HELLO_REFUSED);
    assert_non_null(strstr(shake.why, "ids are not used again"));
}

static void a_stranger_that_shows_the_clusters_id_may_be_a_member_by_a_later_list(void **state) {
    (void)state;
    list_begin();
    struct admission *four = newcomer();
    strcpy(four->identity.cluster, world.nodes[0].identity.cluster);
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 2), LINKED);
    handshake_close(&shake);
    memset(four->identity.cluster, '0', STORE_ID_LENGTH);
    assert_int_equal(shake_hands(&shake, four, &world.nodes[1], 2), HELLO_REFUSED);
    assert_non_null(strstr(shake.why, "another cluster"));
}

static void only_a_new_node_may_ask_for_whoever_answers(void **state) {
    (void)state;
    list_begin();
    assert_int_equal(shake_hands(&shake, &world.nodes[0], &world.nodes[1], 0), HELLO_REFUSED);
    assert_non_null(strstr(shake.why, "takes this address for node 0's"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(two_members_link_and_know_each_others_facts),
        TEST(without_a_secret_on_either_side_they_link_too),
        TEST(members_of_a_formed_cluster_link_whatever_their_addresses_have_become),
        TEST(a_secret_that_one_side_lacks_or_has_otherwise_keeps_them_apart),
        TEST(a_dialler_that_does_not_know_the_secret_is_not_let_in),
        TEST(a_recorded_hello_and_proof_do_not_pass_again),
        TEST(a_recorded_answer_does_not_pass_again),
        TEST(the_proof_of_the_answer_does_not_serve_as_the_diallers),
        TEST(a_mirrored_answer_is_refused),
        TEST(no_fact_can_be_changed_on_the_way),
        TEST(a_proof_without_an_answered_hello_is_refused_also_without_a_secret),
        TEST(a_node_that_does_not_belong_is_told_why),
        TEST(the_dialler_judges_the_answer_likewise),
        TEST(a_node_whose_disk_is_new_is_refused_in_words_from_either_side),
        TEST(a_node_that_lost_its_disk_while_the_cluster_forms_is_refused_by_those_it_had_met),
        TEST(member_lists_that_differ_are_both_named),
        TEST(a_node_of_another_cluster_of_the_same_name_is_refused),
        TEST(a_hello_with_a_malformed_fact_is_refused),
        TEST(another_protocol_is_named_whatever_else_it_says),
        TEST(texts_with_a_zero_byte_are_malformed),
        TEST(a_hello_or_an_answer_with_too_few_or_too_many_words_is_malformed),
        cmocka_unit_test_setup_teardown(a_new_node_that_nobody_added_is_told_what_to_do, begin, list_end),
        cmocka_unit_test_setup_teardown(a_new_node_waits_until_the_list_has_its_incarnation, begin, list_end),
        cmocka_unit_test_setup_teardown(a_member_that_was_taken_in_elsewhere_is_let_in_by_an_older_list,
                                        begin, list_end),
        cmocka_unit_test_setup_teardown(a_node_that_has_no_list_yet_takes_nobody_in, begin, list_end),
        cmocka_unit_test_setup_teardown(a_new_node_that_does_not_know_the_secret_claims_nothing, begin,
                                        list_end),
        cmocka_unit_test_setup_teardown(a_member_of_the_list_with_another_incarnation_is_refused, begin,
                                        list_end),
        cmocka_unit_test_setup_teardown(a_removed_member_is_told_so_once_both_have_proved_themselves, begin,
                                        list_end),
        cmocka_unit_test_setup_teardown(a_member_whose_removal_is_not_settled_is_let_in, begin, list_end),
        cmocka_unit_test_setup_teardown(a_removed_members_id_is_not_used_again, begin, list_end),
        cmocka_unit_test_setup_teardown(a_stranger_that_shows_the_clusters_id_may_be_a_member_by_a_later_list,
                                        begin, list_end),
        cmocka_unit_test_setup_teardown(only_a_new_node_may_ask_for_whoever_answers, begin, list_end),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
