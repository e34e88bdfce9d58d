/* SPDX-License-Identifier: MIT */
/* A node that lost its cluster: what its disk holds stays, whoever else was a member is none any more, one step or none is done. */
#include "store_world.h"

#include <sqlite3.h>

#include "../src/store/data.h"

#define OLD_CLUSTER "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
#define NEW_CLUSTER "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b"

enum { ENTRIES = 20, STATE_AT = 12 };

/* A member of three whose log has entries 1 to ENTRIES, some of them lists, and whose state holds those up to `applied`. */
struct past {
    raft_index applied;
    bool state_has_list;
    raft_index list_at;     /* the log has a list there; 0: none */
    const raft_id *members; /* of these lists, ended by 0 */
};

static const raft_id three[] = {1, 2, 3, 0}, others[] = {2, 3, 0}, removed[] = {1, 2, 3, 0};

static struct raft_blob *list_of(const raft_id *ids) {
    struct raft_member members[8];
    size_t count = 0;

    for (; ids[count] != 0; count++)
        members[count] =
            (struct raft_member){.id = ids[count],
                                 .kind = ids == removed && count == 0 ? RAFT_REMOVED : RAFT_VOTER,
                                 .data = ids[count] == 1 ? "own address" : "x"};
    for (size_t i = 0; i < count; i++)
        members[i].length = strlen(members[i].data);
    return raft_members_encode(members, count);
}

static struct store_identity identity_of(const char *cluster, size_t count) {
    struct store_identity identity = {.node = 1, .member_count = count};

    strcpy(identity.cluster, cluster);
    strcpy(identity.incarnation, WORLD_INCARNATION);
    for (size_t i = 0; i < count; i++) {
        identity.members[i].id = i + 1;
        snprintf(identity.members[i].address, sizeof(identity.members[i].address), "host%zu:1", i + 1);
        strcpy(identity.members[i].incarnation, WORLD_INCARNATION);
    }
    return identity;
}

static void save_entries(struct world *world, const struct past *past) {
    struct store_job *job = job_save(3, 2);

    for (raft_index index = 1; index <= ENTRIES; index++) {
        struct raft_entry entry = entry_make(index, index < 10 ? 2 : 3, 100);

        if (index == past->list_at) {
            raft_blob_unref(entry.data);
            entry.data = list_of(past->members);
            entry.type = RAFT_ENTRY_MEMBERS;
        }
        job_add(job, entry);
    }
    run_well(world, job);
}

static void save_identity(struct world *world, const char *cluster) {
    struct store_job *job = store_job_new(STORE_IDENTITY);

    job->identity = malloc(sizeof(*job->identity));
    *job->identity = identity_of(cluster, 3);
    run_well(world, job);
}

static void data_well(struct store_data *data, struct store_data_job *job) {
    job->checkpoint = 1;
    job->job.next = NULL;
    store_data_run(data, &job->job);
    if (job->failed)
        fail_msg("%s", job->why);
    store_data_job_free(job);
}

static struct store_data *save_state(struct world *world, const struct past *past) {
    struct store_data_wants wants = store_data_wants(&world->boot);
    struct store_data_job *pages = store_data_job_new(STORE_DATA_PAGES),
                          *commit = store_data_job_new(STORE_DATA_COMMIT);
    struct store_data *data;
    struct store_meta *meta;

    assert_int_equal(store_data_open(world->dir, &wants, &data, &meta, world->why), STORE_OK);
    store_meta_free(meta);
    store_pages_add(&pages->pages, 1, 0, "page", 4);
    commit->meta = store_meta_new();
    strcpy(commit->meta->cluster, OLD_CLUSTER);
    commit->meta->applied = past->applied;
    commit->meta->applied_term = past->applied < 10 ? 2 : 3;
    store_meta_add_term(commit->meta, 2, 1);
    if (past->state_has_list) {
        struct raft_blob *list = list_of(past->members);

        store_bytes_set(&commit->meta->members, list->bytes, list->length);
        raft_blob_unref(list);
    }
    if (past->applied > 0) {
        data_well(data, pages);
        data_well(data, commit);
    } else {
        store_data_job_free(pages);
        store_data_job_free(commit);
    }
    return data;
}

static void live_without_state(struct world *world, const struct past *past) {
    world_make_in_memory(world);
    world_open(world);
    save_entries(world, past);
    save_identity(world, OLD_CLUSTER);
    world_reopen(world);
}

static void live(struct world *world, const struct past *past) {
    live_without_state(world, past);
    store_data_close(save_state(world, past));
    world_close(world);
}

/* Its checkpoint stays in the WAL. */
static void live_and_be_killed(struct world *world, const struct past *past) {
    int status;
    pid_t child;

    live_without_state(world, past);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)save_state(world, past);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    world_close(world);
}

static void aside_remove(const struct store_recovered *found) {
    struct world aside = {0};

    snprintf(aside.dir, sizeof(aside.dir), "%.250s", found->aside);
    assert_int_equal(world_empty(&aside), 4); /* raft.db, its -wal, what was acknowledged, the state */
    assert_int_equal(rmdir(aside.dir), 0);
}

/* One blob with this node alone, and the data that it had. */
static void must_be_alone(const void *bytes, size_t length) {
    struct raft_blob *list = raft_blob_new(length);
    struct raft_member member;
    size_t offset = 0;

    memcpy(list->bytes, bytes, length);
    assert_true(raft_members_valid(list));
    assert_true(raft_members_next(list, &offset, &member));
    assert_int_equal(member.id, 1);
    assert_int_equal(member.kind, RAFT_VOTER);
    assert_int_equal(member.length, strlen("own address"));
    assert_memory_equal(member.data, "own address", member.length);
    assert_false(raft_members_next(list, &offset, &member));
    raft_blob_unref(list);
}

static void entries_must_be(struct world *world, const struct past *past, bool appended) {
    struct store_job *job = job_read(past->applied + 1, UINT64_MAX, SIZE_MAX);
    raft_index index = past->applied;

    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->entries.count, ENTRIES - past->applied + appended);
    for (size_t i = 0; i < job->entries.count; i++) {
        const struct raft_entry *entry = &job->entries.at[i];
        struct raft_entry expected = entry_make(index + 1, index + 1 < 10 ? 2 : 3, 100);

        index++;
        assert_int_equal(entry->index, index);
        if (index == ENTRIES + 1) {
            assert_int_equal(entry->type, RAFT_ENTRY_MEMBERS);
            assert_int_equal(entry->term, 4);
            must_be_alone(entry->data->bytes, entry->data->length);
        } else if (index != past->list_at) {
            assert_int_equal(entry->term, expected.term);
            assert_memory_equal(entry->data->bytes, expected.data->bytes, 100);
        }
        raft_blob_unref(expected.data);
    }
    store_job_free(job);
}

static void must_be_recovered(struct world *world, const struct past *past, bool appended) {
    struct store_data_job *load = store_data_job_new(STORE_DATA_LOAD);
    struct store_data_wants wants;
    struct store_data *data;
    struct store_meta *meta;

    world_open(world);
    assert_string_equal(world->boot.identity.cluster, NEW_CLUSTER);
    assert_string_equal(world->boot.identity.incarnation, WORLD_INCARNATION);
    assert_int_equal(world->boot.identity.member_count, 1);
    assert_int_equal(world->boot.data, 2);
    assert_int_equal(world->boot.raft.last_index, ENTRIES + appended);
    assert_int_equal(world->boot.raft.term, appended ? 4 : 3);
    assert_int_equal(world->boot.base_index, past->applied);
    entries_must_be(world, past, appended);
    wants = store_data_wants(&world->boot);
    if (store_data_open(world->dir, &wants, &data, &meta, world->why) != STORE_OK)
        fail_msg("%s", world->why);
    assert_string_equal(meta->cluster, NEW_CLUSTER);
    assert_int_equal(meta->applied, past->applied);
    assert_int_equal(meta->pages, past->applied > 0);
    if (past->state_has_list)
        must_be_alone(meta->members.at, meta->members.length);
    else
        assert_int_equal(meta->members.length, 0);
    load->rewind = true;
    load->bytes_max = 1 << 20;
    data_well(data, load); /* the pages are those that the meta says */
    store_meta_free(meta);
    store_data_close(data);
    world_close(world);
}

static void a_node_becomes_a_cluster_of_one_with_all_that_it_has(void **state) {
    static const struct {
        struct past past;
        bool appended;
    } rows[] = {
        {{STATE_AT, false, 0, three}, false}, {{0, false, 0, three}, false},
        {{ENTRIES, false, 0, three}, false},  {{STATE_AT, true, 0, three}, false},
        {{STATE_AT, true, 15, three}, true}, /* the list in the log would bring the others back */
        {{STATE_AT, true, 5, three}, false}, /* this one is in the state already */
        {{0, false, 15, three}, true},        {{STATE_AT, true, ENTRIES, three}, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world world;
        struct store_identity identity = identity_of(NEW_CLUSTER, 1);
        struct store_recovered found;

        live(&world, &rows[i].past);
        if (store_recover(world.dir, &identity, false, &found, world.why) != STORE_OK)
            fail_msg("row %zu: %s", i, world.why);
        assert_string_equal(found.identity.cluster, OLD_CLUSTER);
        assert_int_equal(found.identity.member_count, 3);
        assert_int_equal(found.applied, rows[i].past.applied);
        assert_int_equal(found.last_index, ENTRIES);
        assert_int_equal(found.term, 3);
        aside_remove(&found);
        must_be_recovered(&world, &rows[i].past, rows[i].appended);
        world_remove(&world);
    }
}

/* Somebody who looks at the file keeps SQLite from moving it at the closing. */
static void what_stands_in_the_wal_is_recovered_too(void **state) {
    const struct past past = {STATE_AT, true, 15, three};
    struct store_identity identity = identity_of(NEW_CLUSTER, 1);
    struct store_recovered found;
    struct world world;
    char path[2 * WORLD_PATH_MAX];
    sqlite3 *reader;
    (void)state;
    live_and_be_killed(&world, &past);
    world_path(&world, "data-1.db", path);
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM pages", NULL, NULL, NULL), SQLITE_OK);
    if (store_recover(world.dir, &identity, false, &found, world.why) != STORE_OK)
        fail_msg("%s", world.why);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_int_equal(found.applied, STATE_AT);
    aside_remove(&found);
    must_be_recovered(&world, &past, true);
    world_remove(&world);
}

static void to_look_changes_nothing(void **state) {
    const struct past past = {STATE_AT, true, 15, three};
    struct store_identity identity = identity_of(NEW_CLUSTER, 1);
    struct store_recovered found;
    struct world world;
    (void)state;
    live(&world, &past);
    struct bytes before = bytes_read(&world, "data-1.db"), log = bytes_read(&world, "raft.db");

    assert_int_equal(store_recover(world.dir, &identity, true, &found, world.why), STORE_OK);
    assert_int_equal(found.last_index, ENTRIES);
    assert_string_equal(found.aside, "");
    struct bytes after = bytes_read(&world, "data-1.db"), log_after = bytes_read(&world, "raft.db");

    assert_true(bytes_equal(before, after));
    assert_true(bytes_equal(log, log_after));
    free(before.at), free(after.at), free(log.at), free(log_after.at);
    world_open(&world);
    assert_string_equal(world.boot.identity.cluster, OLD_CLUSTER);
    world_close(&world);
    world_remove(&world);
}

static void what_cannot_go_on_alone_is_refused(void **state) {
    const struct past in_log = {STATE_AT, false, 15, others}, in_state = {STATE_AT, true, 0, others},
                      was_removed = {STATE_AT, false, 15, removed};
    const struct past *const strangers[] = {&in_log, &in_state, &was_removed};
    struct store_identity identity = identity_of(NEW_CLUSTER, 1);
    struct store_recovered found;
    struct world world;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        live(&world, strangers[i]);
        assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_FOREIGN);
        assert_non_null(strstr(world.why, "no member of its cluster any more"));
        world_open(&world);
        assert_string_equal(world.boot.identity.cluster, OLD_CLUSTER);
        world_close(&world);
        world_remove(&world);
    }
    world_make_in_memory(&world);
    assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_FOREIGN);
    assert_non_null(strstr(world.why, "no node has lived"));
    assert_int_equal(world_empty(&world), 0);
    world_open(&world);
    assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_IO);
    assert_non_null(strstr(world.why, "in use by"));
    world_close(&world);
    assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_FOREIGN);
    assert_non_null(strstr(world.why, "has not formed yet"));
    identity.node = 2;
    assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_FOREIGN);
    world_remove(&world);
}

/* It dies (or fails) before the transaction: a node of the old cluster, whole; and the next attempt succeeds. */
static void an_attempt_that_failed_has_changed_nothing_that_counts(void **state) {
    const struct past past = {STATE_AT, true, 15, three};
    struct store_identity identity = identity_of(NEW_CLUSTER, 1);
    struct store_recovered found;
    struct world world;
    char path[2 * WORLD_PATH_MAX];
    (void)state;
    live(&world, &past);
    world_path(&world, "data-2.db.tmp", path); /* the new state cannot be made */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_IO);
    assert_non_null(strstr(world.why, "data-2.db.tmp"));
    assert_int_equal(rmdir(path), 0);
    world_open(&world);
    assert_string_equal(world.boot.identity.cluster, OLD_CLUSTER);
    assert_int_equal(world.boot.data, 1);
    assert_int_equal(world.boot.raft.last_index, ENTRIES);
    world_close(&world);
    aside_remove(&found);
    assert_int_equal(store_recover(world.dir, &identity, false, &found, world.why), STORE_OK);
    aside_remove(&found);
    must_be_recovered(&world, &past, true);
    world_remove(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_becomes_a_cluster_of_one_with_all_that_it_has),
        cmocka_unit_test(what_stands_in_the_wal_is_recovered_too),
        cmocka_unit_test(to_look_changes_nothing),
        cmocka_unit_test(what_cannot_go_on_alone_is_refused),
        cmocka_unit_test(an_attempt_that_failed_has_changed_nothing_that_counts),
    };

    return cmocka_run_group_tests_name("store_recover", tests, NULL, NULL);
}
