/* SPDX-License-Identifier: MIT */
/*
 * Files that were cut, flipped or swapped while the node was down. It must refuse to start: exit status not 0, words that say what
 * to do, and every file bit for bit as it was. Or, where the damage hit bytes that carry nothing, it starts and everything
 * acknowledged is there. Starting with less is the one thing that it must never do.
 *
 * A cluster of one: nobody can make good what its disk lost. REDRAFT_FLIPS sets how many bytes are flipped in each file (24).
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WIRE_MS = 5000, VERDICT_MS = 10000, KEYS = 300, FILES_MAX = 16 };

/* ---- a node with something on its disk --------------------------------------------------------------------- */

static void key_and_value(int i, char *key, char *value) {
    sprintf(key, "key:%d", i);
    sprintf(value, "value-of-%d-%.*s", i, i % 100,
            "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
            "6789");
}

/* Writes keys [first, last); each is acknowledged. */
static void write_keys(const struct cluster *cluster, size_t at, int first, int last) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    for (int i = first; i < last; i++) {
        char key[32], value[160], words[256];
        key_and_value(i, key, value);
        snprintf(words, sizeof(words), "SET %s %s", key, value);
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    wire_close(wire);
}

static bool all_keys_are_there(const struct cluster *cluster, size_t at, int last) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    bool right = wire != NULL;
    for (int i = 0; i < last && right; i++) {
        char key[32], value[160], words[64];
        key_and_value(i, key, value);
        snprintf(words, sizeof(words), "GET %s", key);
        const char *reply = wire_ask(wire, words), *text = strchr(reply, ' ');
        right = reply[0] == '$' && text != NULL && strcmp(text + 1, value) == 0;
    }
    wire_close(wire);
    return right;
}

/* A single node that wrote, was killed and left a WAL behind; `graceful`: that ended in order. Its directory is kept aside. */
static struct cluster *single_with_data(bool graceful, char *kept) {
    struct cluster *cluster = cluster_new(1, NULL);
    write_keys(cluster, 0, 0, KEYS / 2);
    cluster_kill(cluster, 0);
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    write_keys(cluster, 0, KEYS / 2, KEYS);
    if (graceful)
        assert_int_equal(cluster_end(cluster, 0), 0);
    cluster_kill(cluster, 0);
    snprintf(kept, CLUSTER_PATH_MAX, "%.200s/kept", cluster->dir);
    directory_copy(cluster->nodes[0].dir, kept);
    return cluster;
}

/* ---- files before and after ---------------------------------------------------------------------------------- */

struct contents {
    size_t count;
    struct {
        char name[64];
        char *bytes;
        size_t length;
    } files[FILES_MAX];
};

static void contents_read(struct contents *contents, const char *dir) {
    DIR *directory = opendir(dir);
    assert_non_null(directory);
    contents->count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[CLUSTER_PATH_MAX * 2];
        if (entry->d_name[0] == '.')
            continue;
        assert_true(contents->count < FILES_MAX);
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        snprintf(contents->files[contents->count].name, 64, "%.63s", entry->d_name);
        contents->files[contents->count].bytes = file_read(path, &contents->files[contents->count].length);
        contents->count++;
    }
    closedir(directory);
}

static void contents_free(struct contents *contents) {
    for (size_t i = 0; i < contents->count; i++)
        free(contents->files[i].bytes);
}

/* Every file that was there is there still, the same. */
static bool contents_are_kept(const struct contents *before, const char *dir, char *which) {
    struct contents after;
    bool same = true;
    contents_read(&after, dir);
    for (size_t i = 0; i < before->count && same; i++) {
        bool found = false;
        for (size_t j = 0; j < after.count && !found; j++)
            found = strcmp(before->files[i].name, after.files[j].name) == 0 &&
                    before->files[i].length == after.files[j].length &&
                    memcmp(before->files[i].bytes, after.files[j].bytes, after.files[j].length) == 0;
        same = found;
        if (!found)
            strcpy(which, before->files[i].name);
    }
    contents_free(&after);
    return same;
}

/* ---- the verdict ----------------------------------------------------------------------------------------------- */

enum verdict { REFUSED, SERVES };

/* What a refusal must name: a file or directory of its, and something to do. */
static void check_words(const struct cluster *cluster, const char *what) {
    static const char *const advice[] = {"remove", "replace", "restore", "move",
                                         "delete", "raft-id", "empty",   "is dir right"};
    bool advised = false;
    for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++)
        advised = advised || cluster_said(cluster, 0, advice[i]);
    if (!advised || !cluster_said(cluster, 0, "raft.db")) {
        char path[CLUSTER_PATH_MAX];
        cluster_log_path(cluster, 0, path);
        file_print_tail(path, "  | ", 10);
        cluster_output_path(cluster, 0, path);
        file_print_tail(path, "  | ", 10);
        harness_fail("%s: the refusal does not say which file or what to do", what);
    }
}

static void forget_words(const struct cluster *cluster) {
    char path[CLUSTER_PATH_MAX];
    cluster_log_path(cluster, 0, path);
    remove(path);
    cluster_output_path(cluster, 0, path);
    remove(path);
}

/* Starts the node on what its directory holds now and waits until it has refused or serves. */
static enum verdict start_and_judge(struct cluster *cluster, const char *what) {
    struct contents before;
    char which[64] = "";
    int status;
    contents_read(&before, cluster->nodes[0].dir);
    forget_words(cluster);
    cluster_spawn(cluster, 0);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(VERDICT_MS);
    while (harness_now_ms() < deadline) {
        if (cluster_wait_end(cluster, 0, 5, &status)) {
            if (status == 0 || status > 128)
                harness_fail("%s: the node ended with status %d instead of refusing", what, status);
            if (!contents_are_kept(&before, cluster->nodes[0].dir, which))
                harness_fail("%s: refused, but %s is not what it was", what, which);
            check_words(cluster, what);
            contents_free(&before);
            return REFUSED;
        }
        if (cluster_leader(cluster) == 0) {
            if (!all_keys_are_there(cluster, 0, KEYS))
                harness_fail("%s: it starts, and not everything acknowledged is there", what);
            cluster_kill(cluster, 0);
            contents_free(&before);
            return SERVES;
        }
    }
    harness_fail("%s: it neither refuses nor serves", what);
}

static size_t file_length(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (size_t)status.st_size : 0;
}

/* A fresh copy of what was kept, its file `name` changed: cut to `length` bytes, or the byte at `flip` flipped. */
static void damage(const struct cluster *cluster, const char *kept, const char *name, size_t length,
                   size_t flip) {
    char path[CLUSTER_PATH_MAX * 2];
    size_t whole;
    directory_copy(kept, cluster->nodes[0].dir);
    snprintf(path, sizeof(path), "%s/%s", cluster->nodes[0].dir, name);
    char *bytes = file_read(path, &whole);
    assert_non_null(bytes);
    if (flip < whole)
        bytes[flip] = (char)(bytes[flip] ^ (1 << (flip % 8)));
    file_write(path, bytes, length < whole ? length : whole);
    free(bytes);
}

/* Bytes flipped one at a time: the file's first ones, where its formats' headers are, then spread over all of it. */
static void flip_bytes(struct cluster *cluster, const char *kept, const char *name) {
    char path[CLUSTER_PATH_MAX * 2], what[128];
    uint64_t seed = harness_setting("REDRAFT_SEED", harness_now_us()),
             flips = harness_setting("REDRAFT_FLIPS", 24);
    unsigned refused = 0;
    snprintf(path, sizeof(path), "%s/%s", kept, name);
    size_t whole = file_length(path);
    if (whole == 0)
        harness_fail("the node left no %s behind", name);
    for (uint64_t i = 0; i < flips; i++) {
        size_t from = whole * i / flips, room = whole / flips;
        size_t at = i < flips / 4 ? harness_random(&seed) % 128 : from + harness_random(&seed) % (room + 1);
        at = at < whole ? at : whole - 1;
        snprintf(what, sizeof(what), "%s: byte %zu of %zu flipped", name, at, whole);
        damage(cluster, kept, name, whole, at);
        refused += start_and_judge(cluster, what) == REFUSED;
    }
    harness_say("%s: %llu bytes flipped, %u times refused, else everything was there", name,
                (unsigned long long)flips, refused);
    assert_true(refused >= flips / 3);
}

/* After an orderly end the log stands where it stood, too. */
static void a_flipped_byte_in_the_log_of_a_node_that_was_stopped_is_found(void **state) {
    char kept[CLUSTER_PATH_MAX];
    (void)state;
    struct cluster *cluster = single_with_data(true, kept);
    flip_bytes(cluster, kept, "raft.db-wal");
    cluster_free(cluster);
}

static void a_flipped_byte_in_the_write_ahead_log_is_found(void **state) {
    char kept[CLUSTER_PATH_MAX];
    (void)state;
    struct cluster *cluster = single_with_data(false, kept);
    flip_bytes(cluster, kept, "raft.db-wal");
    cluster_free(cluster);
}

/* The main file behind a WAL that holds newer pages of it. */
static void a_flipped_byte_under_a_write_ahead_log_is_found_or_harmless(void **state) {
    char kept[CLUSTER_PATH_MAX], what[128], path[CLUSTER_PATH_MAX * 2];
    (void)state;
    struct cluster *cluster = single_with_data(false, kept);
    snprintf(path, sizeof(path), "%s/raft.db", kept);
    size_t whole = file_length(path);
    uint64_t seed = harness_setting("REDRAFT_SEED", harness_now_us());
    for (int i = 0; i < 8; i++) {
        size_t at = harness_random(&seed) % whole;
        snprintf(what, sizeof(what), "raft.db beside its WAL: byte %zu of %zu flipped", at, whole);
        damage(cluster, kept, "raft.db", whole, at);
        start_and_judge(cluster, what);
    }
    cluster_free(cluster);
}

static void a_database_that_was_cut_is_refused(void **state) {
    char kept[CLUSTER_PATH_MAX], what[128], path[CLUSTER_PATH_MAX * 2];
    (void)state;
    struct cluster *cluster = single_with_data(true, kept);
    snprintf(path, sizeof(path), "%s/raft.db", kept);
    size_t whole = file_length(path);
    const size_t cuts[] = {0, 1, 50, 100, 512, 1023, whole / 2, whole - 1}; /* the first page, others */
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        snprintf(what, sizeof(what), "raft.db cut to %zu of %zu bytes", cuts[i], whole);
        damage(cluster, kept, "raft.db", cuts[i], SIZE_MAX);
        if (start_and_judge(cluster, what) != REFUSED && cuts[i] < 1024)
            harness_fail("%s: not refused", what);
    }
    cluster_free(cluster);
}

/* SQLite itself takes a WAL that ends early for the end of the story. All that was acknowledged is in it. */
static void a_write_ahead_log_that_was_cut_is_refused(void **state) {
    char kept[CLUSTER_PATH_MAX], what[128], path[CLUSTER_PATH_MAX * 2];
    (void)state;
    struct cluster *cluster = single_with_data(false, kept);
    snprintf(path, sizeof(path), "%s/raft.db-wal", kept);
    size_t whole = file_length(path);
    const size_t cuts[] = {0, 7, 31, 33, 100, 4096, whole / 3, whole / 2, whole - 5000, whole - 1};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        snprintf(what, sizeof(what), "raft.db-wal cut to %zu of %zu bytes", cuts[i], whole);
        damage(cluster, kept, "raft.db-wal", cuts[i], SIZE_MAX);
        if (start_and_judge(cluster, what) != REFUSED && cuts[i] < whole / 2)
            harness_fail("%s: not refused", what);
    }
    directory_copy(kept, cluster->nodes[0].dir);
    snprintf(path, sizeof(path), "%s/raft.db-wal", cluster->nodes[0].dir);
    assert_int_equal(remove(path), 0);
    assert_int_equal(start_and_judge(cluster, "raft.db-wal removed"), REFUSED);
    cluster_free(cluster);
}

/* ---- files of another --------------------------------------------------------------------------------------------- */

static void the_files_of_another_node_are_refused(void **state) {
    struct contents before;
    char which[64] = "";
    int status = 0;
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    write_keys(cluster, cluster_wait_equal(cluster), 0, 10);
    cluster_kill_all(cluster);
    directory_copy(cluster->nodes[1].dir, cluster->nodes[0].dir);
    contents_read(&before, cluster->nodes[0].dir);
    forget_words(cluster);
    cluster_spawn(cluster, 0);
    assert_true(cluster_wait_end(cluster, 0, harness_scaled_ms(VERDICT_MS), &status));
    assert_in_range(status, 1, 127);
    assert_true(contents_are_kept(&before, cluster->nodes[0].dir, which));
    check_words(cluster, "another node's files");
    contents_free(&before);
    cluster_free(cluster);
}

/* A node that comes with another cluster's past never becomes a part of this one, and never changes it. */
static void the_files_of_another_cluster_are_refused(void **state) {
    (void)state;
    struct cluster *one = cluster_new(3, NULL), *other = cluster_new(3, NULL);
    write_keys(one, cluster_wait_equal(one), 0, 20);
    size_t leader = cluster_wait_equal(other);
    write_keys(other, leader, 0, 10);
    cluster_kill_all(one);
    size_t stranger = leader == 0 ? 1 : 0;
    cluster_kill(other, stranger);
    directory_copy(one->nodes[stranger].dir, other->nodes[stranger].dir);
    cluster_spawn(other, stranger);
    int status;
    if (!cluster_wait_end(other, stranger, harness_scaled_ms(3000), &status)) {
        static struct info info;
        assert_true(cluster_info(other, stranger, &info));
        assert_false(info_is(&info, "health", "ok"));
        assert_false(info_is(&info, "role", "leader"));
        assert_true(cluster_said(other, stranger, "cluster"));
        assert_true(cluster_said(other, leader, "cluster"));
        assert_true(cluster_info(other, leader, &info));
        assert_int_equal(info_number(&info, "failures_tolerated"), 0);
        /* It counts for nothing: with another one gone there is no majority. */
        size_t third = 3 - leader - stranger;
        cluster_kill(other, third);
        struct wire *wire = wire_open(other->nodes[leader].port, harness_scaled_ms(4 * WIRE_MS));
        const char *reply = wire_ask(wire, "SET stranger 1");
        if (reply[0] != '-')
            harness_fail("a majority with a stranger in it: SET is answered with %s", reply);
        wire_close(wire);
    }
    cluster_free(one);
    cluster_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_flipped_byte_in_the_log_of_a_node_that_was_stopped_is_found,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_flipped_byte_in_the_write_ahead_log_is_found, cluster_teardown),
        cmocka_unit_test_teardown(a_flipped_byte_under_a_write_ahead_log_is_found_or_harmless,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_database_that_was_cut_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(a_write_ahead_log_that_was_cut_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(the_files_of_another_node_are_refused, cluster_teardown),
        cmocka_unit_test_teardown(the_files_of_another_cluster_are_refused, cluster_teardown),
    };
    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
