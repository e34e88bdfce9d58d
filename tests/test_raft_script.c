/* SPDX-License-Identifier: MIT */
/*
 * Protocol scripts: tests/raft/(name).txt. A script is a list of commands, each followed by what happened, indented. The whole
 * text is compared; REWRITE=1 writes what happened into the file, to be read before it is kept.
 *
 *      nodes 3 [key=value ...]     a cluster, all down; keys: tail append window messages uncommitted
 *                                 apply promote; leases=1 drift=(permille); voters=2: the third knows nobody
 *      disk 1 [term=5] [vote=2] [applied=1] 1 1 4 4      what a node that is down has on disk: its log's terms
 *      start [1 ...]               all, or these
 *      wait 1500 [1 ...]           time passes for all; these are told of it, or all
 *      deliver [1 2]               what the network holds at this moment, or what of it goes from 1 to 2
 *      drop [1 2]                  the same is lost
 *      double 1 2, reverse 1 2     what goes from 1 to 2 is there twice, is in reverse order
 *      cut 1 [2], heal             between 1 and 2, or around 1, both ways: what is delivered there is lost
 *      work 1 [n]                  the disk of 1 does its oldest job, or n of them
 *      settle                      deliver and work, until there is nothing to do
 *      propose 1 text, read 1 token, unreachable 1 2, gone 1 2, crash 1
 *      through 1 token             a read that 1 asks its leader for
 *      transfer 1 [2], lease 1     1 hands over (to 2); how long its lease is, and a read under it
 *      add 1 4 [data], promote 1 4, remove 1 4, set 1 4 data      1 is asked to change the members
 *      checkpoint 1, compact 1 5   the state of 1 becomes the one to start with; its log through 5 goes
 *      load 1                      the state that came as a snapshot is in the state machine now
 *      status [1 ...]              role and log of all, or these
 *
 * What happened, for node 1:
 *
 *      1 < 2 ...            a message is delivered
 *      1 | ...              its trace
 *      1 saves #4: ...      what ready 4 makes durable         1 did #4     and now it is
 *      1 > 2 ...            it sends a message                 1 > 2 after #4: ...  a promise
 *      1 applies, 1 reads, 1 fetches, 1 wants a snapshot sent
 *
 * Entries are written index/term, with the text of their data. Members are written 1v 2l 3r: voter, learner, removed.
 */
#include <glob.h>

#include "raft_script.h"

enum { TESTS_MAX = 64 };

/* ---- commands -------------------------------------------------------------------------------------------- */

static uint64_t number(struct script *script, size_t word) {
    if (word >= script->word_count)
        world_fail(&script->world, "a number is missing");
    char *end;
    uint64_t value = strtoull(script->words[word], &end, 10);
    WORLD_CHECK(&script->world, *end == '\0' && end != script->words[word], "a number was expected");
    return value;
}

static struct world_node *named(struct script *script, size_t word) {
    return world_node(&script->world, number(script, word));
}

static struct world_node *running(struct script *script, size_t word) {
    struct world_node *node = named(script, word);
    WORLD_CHECK(&script->world, node->raft, "that node is down");
    return node;
}

/* Whether a node is among the words from `first` on; without words everybody is. */
static bool is_meant(struct script *script, size_t first, const struct world_node *node) {
    for (size_t word = first; word < script->word_count; word++)
        if (number(script, word) == node->id)
            return true;
    return script->word_count <= first;
}

static void collect(struct script *script, struct world_node *node) {
    if (node->raft)
        world_collect(&script->world, node);
}

/* How far it came. */
static void on_failure(struct world *world) {
    const struct script *script = world->context;
    if (script && script->out)
        fputs(script->out, stderr);
}

static void do_nodes(struct script *script) {
    struct world *world = &script->world;
    const char *name = world->name;
    world_close(world);
    world_init(world, number(script, 1));
    world->name = name;
    world->context = script;
    world->ready = script_say_ready;
    world->failing = on_failure;
    const struct {
        const char *key;
        size_t *value;
    } keys[] = {
        {"tail=", &world->config.tail_bytes_max},
        {"append=", &world->config.append_bytes_max},
        {"window=", &world->config.window_bytes_max},
        {"messages=", &world->config.window_messages_max},
        {"uncommitted=", &world->config.uncommitted_bytes_max},
        {"ready=", &world->config.ready_bytes_max},
        {"voters=", &world->voter_count},
    };
    for (size_t word = 2; word < script->word_count; word++)
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (strncmp(script->words[word], keys[i].key, strlen(keys[i].key)) == 0)
                *keys[i].value = strtoull(script->words[word] + strlen(keys[i].key), NULL, 10);
    for (size_t word = 2; word < script->word_count; word++) {
        if (strcmp(script->words[word], "leases=1") == 0)
            world->config.leases = true;
        if (strncmp(script->words[word], "drift=", 6) == 0)
            world->config.clock_drift_permille = (uint32_t)strtoul(script->words[word] + 6, NULL, 10);
        if (strncmp(script->words[word], "promote=", 8) == 0)
            world->config.promote_lag_max = strtoull(script->words[word] + 8, NULL, 10);
    }
}

static void do_disk(struct script *script) {
    struct world_node *node = named(script, 1);
    struct world_job job = {.has_vote = true};
    struct raft_entry entries[WORDS_MAX];
    job.save.at = entries;
    for (size_t word = 2; word < script->word_count; word++) {
        const char *text = script->words[word];
        if (strncmp(text, "term=", 5) == 0) {
            job.vote.term = strtoull(text + 5, NULL, 10);
        } else if (strncmp(text, "vote=", 5) == 0) {
            job.vote.vote = strtoull(text + 5, NULL, 10);
        } else if (strncmp(text, "applied=", 8) == 0) {
            node->checkpoint.index = strtoull(text + 8, NULL, 10);
        } else {
            raft_term term = number(script, word);
            entries[job.save.count] =
                (struct raft_entry){.index = job.save.count + 1, .term = term, .type = RAFT_ENTRY_NOOP};
            job.save.count++;
            job.vote.term = job.vote.term > term ? job.vote.term : term;
        }
    }
    world_write(&script->world, node, &job);
}

static void do_start(struct script *script) {
    for (size_t i = 0; i < script->world.count; i++) {
        struct world_node *node = &script->world.nodes[i];
        if (node->raft || !is_meant(script, 1, node))
            continue;
        world_start(&script->world, node, node->id + 10 * node->starts);
        collect(script, node);
    }
}

static void do_wait(struct script *script) {
    uint64_t ms = number(script, 1);
    for (size_t i = 0; i < script->world.count; i++)
        script->world.nodes[i].now_ms += ms;
    for (size_t i = 0; i < script->world.count; i++) {
        struct world_node *node = &script->world.nodes[i];
        if (!node->raft || !is_meant(script, 2, node))
            continue;
        raft_tick(node->raft, node->now_ms);
        collect(script, node);
    }
}

static void arrive(struct script *script, struct world_packet *packet) {
    const struct raft_message *message = &packet->message;
    struct world_node *node = world_node(&script->world, message->to);
    bool lost = !node->raft || script->cut[message->from][message->to];
    script_say(script, "    %llu < %llu %s", (unsigned long long)message->to,
               (unsigned long long)message->from, lost ? "LOST " : "");
    script_say_packet(script, packet);
    if (!lost) {
        world_deliver(&script->world, packet);
        collect(script, node);
    } else if (packet->snapshot) {
        world_snapshot_sent(&script->world, packet, false);
    }
    if (packet->snapshot)
        collect(script, world_node(&script->world, message->from));
    world_free_packet(packet);
}

/* Takes out of the network what the words 1 and 2 name, oldest first. */
static struct world_packet *take_named(struct script *script) {
    struct world_packet *taken = NULL, **end = &taken, **link = &script->world.network;
    while (*link) {
        const struct raft_message *message = &(*link)->message;
        bool meant = script->word_count < 3 ||
                     (message->from == number(script, 1) && message->to == number(script, 2));
        if (!meant) {
            link = &(*link)->next;
            continue;
        }
        *end = world_take(&script->world, link);
        end = &(*end)->next;
        *end = NULL;
    }
    return taken;
}

static void put_back(struct script *script, struct world_packet *packets) {
    while (packets) {
        struct world_packet *packet = packets;
        packets = packet->next;
        packet->next = NULL;
        *script->world.network_end = packet;
        script->world.network_end = &packet->next;
    }
}

static void do_deliver(struct script *script) {
    struct world_packet *packets = take_named(script);
    while (packets) {
        struct world_packet *packet = packets;
        packets = packet->next;
        arrive(script, packet);
    }
}

static void do_drop(struct script *script) {
    struct world_packet *packets = take_named(script);
    while (packets) {
        struct world_packet *packet = packets;
        packets = packet->next;
        script_say(script, "    %llu < %llu LOST ", (unsigned long long)packet->message.to,
                   (unsigned long long)packet->message.from);
        script_say_packet(script, packet);
        if (packet->snapshot)
            world_snapshot_sent(&script->world, packet, false);
        world_free_packet(packet);
    }
}

static void do_double(struct script *script) {
    struct world_packet *packets = take_named(script);
    for (struct world_packet *packet = packets; packet; packet = packet->next->next) {
        struct world_packet *twin = world_twin(packet);
        packet->next = twin;
    }
    put_back(script, packets);
}

static void do_reverse(struct script *script) {
    struct world_packet *packets = take_named(script), *reversed = NULL;
    while (packets) {
        struct world_packet *packet = packets;
        packets = packet->next;
        packet->next = reversed;
        reversed = packet;
    }
    put_back(script, reversed);
}

static void do_cut(struct script *script) {
    raft_id id = number(script, 1);
    for (raft_id other = 1; other <= script->world.count; other++)
        if (script->word_count < 3 || number(script, 2) == other)
            script->cut[id][other] = script->cut[other][id] = true;
}

static void do_heal(struct script *script) {
    memset(script->cut, 0, sizeof script->cut);
}

static void work(struct script *script, struct world_node *node) {
    struct world_job *job = node->jobs;
    if (job->fetches)
        script_say(script, "    %llu read back %llu..%llu\n", (unsigned long long)node->id,
                   (unsigned long long)job->fetch.from, (unsigned long long)job->fetch.to);
    else
        script_say(script, "    %llu did #%llu\n", (unsigned long long)node->id,
                   (unsigned long long)job->sequence);
    world_work(&script->world, node);
    collect(script, node);
}

static void do_work(struct script *script) {
    struct world_node *node = running(script, 1);
    for (uint64_t jobs = script->word_count > 2 ? number(script, 2) : 1; jobs; jobs--) {
        WORLD_CHECK(&script->world, node->jobs, "that disk has nothing to do");
        work(script, node);
    }
}

static void do_settle(struct script *script) {
    script->word_count = 1;
    for (bool busy = true; busy;) {
        busy = script->world.network != NULL;
        do_deliver(script);
        for (size_t i = 0; i < script->world.count; i++)
            while (script->world.nodes[i].jobs) {
                work(script, &script->world.nodes[i]);
                busy = true;
            }
    }
}

static void do_propose(struct script *script) {
    struct world_node *node = running(script, 1);
    struct raft_blob *blob = world_blob(script->words[2]);
    raft_index index;
    raft_term term;
    enum raft_result result = raft_propose(node->raft, blob, &index, &term);
    raft_blob_unref(blob);
    if (result == RAFT_OK)
        script_say(script, "    will be %llu/%llu\n", (unsigned long long)index, (unsigned long long)term);
    else
        script_say(script, "    %s\n", raft_result_text(result));
    collect(script, node);
}

static void do_transfer(struct script *script) {
    struct world_node *node = running(script, 1);
    enum raft_result result =
        raft_transfer(node->raft, node->now_ms, script->word_count > 2 ? number(script, 2) : 0);
    if (result != RAFT_OK)
        script_say(script, "    %s\n", raft_result_text(result));
    collect(script, node);
}

static void do_lease(struct script *script) {
    struct world_node *node = running(script, 1);
    raft_index index;
    enum raft_result result = raft_read_lease(node->raft, node->now_ms, &index);
    if (result != RAFT_OK)
        script_say(script, "    %s\n", raft_result_text(result));
    else
        script_say(script, "    %llu ms, reads at %llu\n",
                   (unsigned long long)(raft_lease_until(node->raft) - node->now_ms),
                   (unsigned long long)index);
}

static void do_read(struct script *script) {
    struct world_node *node = running(script, 1);
    if (raft_read(node->raft, number(script, 2)) != RAFT_OK)
        script_say(script, "    not the leader\n");
    collect(script, node);
}

static void do_through(struct script *script) {
    struct world_node *node = running(script, 1);
    enum raft_result result = raft_read_through(node->raft, node->now_ms, number(script, 2));
    if (result != RAFT_OK)
        script_say(script, "    %s\n", raft_result_text(result));
    collect(script, node);
}

static void do_change(struct script *script) {
    static const char *const names[] = {
        [RAFT_ADD] = "add", [RAFT_PROMOTE] = "promote", [RAFT_REMOVE] = "remove", [RAFT_SET] = "set"};
    struct world_node *node = running(script, 1);
    struct raft_change change = {.id = number(script, 2)};
    raft_index index;
    raft_term term;
    while (strcmp(names[change.type], script->words[0]) != 0)
        change.type++;
    if (script->word_count > 3) {
        change.data = script->words[3];
        change.length = strlen(change.data);
    }
    enum raft_result result = raft_change(node->raft, node->now_ms, &change, &index, &term);
    if (result == RAFT_OK)
        script_say(script, "    will be %llu/%llu\n", (unsigned long long)index, (unsigned long long)term);
    else
        script_say(script, "    refused: %s\n", raft_result_text(result));
    collect(script, node);
}

static void do_checkpoint(struct script *script) {
    struct world_node *node = running(script, 1);
    WORLD_CHECK(&script->world, world_checkpoint(&script->world, node), "nothing new is durable");
    script_say(script, "    %llu/%llu\n", (unsigned long long)node->checkpoint.index,
               (unsigned long long)node->checkpoint.term);
}

static void do_compact(struct script *script) {
    struct world_node *node = running(script, 1);
    world_compact(&script->world, node, number(script, 2));
    collect(script, node);
}

static void do_load(struct script *script) {
    struct world_node *node = running(script, 1);
    world_load(&script->world, node);
    collect(script, node);
}

static void do_unreachable(struct script *script) {
    raft_unreachable(running(script, 1)->raft, number(script, 2));
    collect(script, named(script, 1));
}

static void do_gone(struct script *script) {
    struct world_node *node = running(script, 1);
    raft_leader_gone(node->raft, node->now_ms, number(script, 2));
    collect(script, node);
}

static void do_crash(struct script *script) {
    world_crash(running(script, 1));
}

/* Once they are not the first ones any more. */
static void script_say_made_members(struct script *script, const struct world_node *node,
                                    const struct raft_status *status) {
    raft_index made;
    const struct raft_blob *list = raft_members(node->raft, &made);
    if (made == 0)
        return;
    script_say(script, ";");
    script_say_members(script, list);
    script_say(script, "%s%s", status->changing ? ", not committed" : "", status->removed ? ", removed" : "");
}

static void do_status(struct script *script) {
    for (size_t i = 0; i < script->world.count; i++) {
        struct world_node *node = &script->world.nodes[i];
        if (!is_meant(script, 1, node))
            continue;
        script_say(script, "    %llu ", (unsigned long long)node->id);
        if (!node->raft) {
            script_say(script, "down\n");
            continue;
        }
        struct raft_status status;
        raft_status(node->raft, &status);
        script_say(script, "%s, term %llu, leader %llu%s%s; log", raft_role_name(status.role),
                   (unsigned long long)status.term, (unsigned long long)status.leader,
                   status.serving ? ", serving" : "", status.quorum ? ", quorum" : "");
        if (status.base_index)
            script_say(script, " (after %llu/%llu)", (unsigned long long)status.base_index,
                       (unsigned long long)status.base_term);
        for (raft_index index = status.base_index + 1; index <= status.last_index; index++)
            script_say(script, " %llu", (unsigned long long)raft_term_at(node->raft, index));
        script_say(script, "; saved %llu, commit %llu, applied %llu", (unsigned long long)status.saved_index,
                   (unsigned long long)status.commit, (unsigned long long)status.applied);
        script_say_made_members(script, node, &status);
        script_say(script, "\n");
    }
}

/* ---- scripts --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*act)(struct script *script);
} commands[] = {
    {"nodes", do_nodes},     {"disk", do_disk},
    {"start", do_start},     {"wait", do_wait},
    {"deliver", do_deliver}, {"drop", do_drop},
    {"double", do_double},   {"reverse", do_reverse},
    {"cut", do_cut},         {"heal", do_heal},
    {"work", do_work},       {"settle", do_settle},
    {"propose", do_propose}, {"read", do_read},
    {"gone", do_gone},       {"unreachable", do_unreachable},
    {"crash", do_crash},     {"status", do_status},
    {"lease", do_lease},     {"transfer", do_transfer},
    {"through", do_through}, {"add", do_change},
    {"promote", do_change},  {"remove", do_change},
    {"set", do_change},      {"checkpoint", do_checkpoint},
    {"compact", do_compact}, {"load", do_load},
};

static void run_command(struct script *script, const char *line) {
    char text[512];
    assert_true(strlen(line) < sizeof text);
    strcpy(text, line);
    script->word_count = 0;
    for (char *word = strtok(text, " "); word && script->word_count < WORDS_MAX; word = strtok(NULL, " "))
        script->words[script->word_count++] = word;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, script->words[0]) == 0) {
            commands[i].act(script);
            return;
        }
    world_fail(&script->world, line);
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = NULL;
    size_t length = 0, count;
    char part[4096];
    while ((count = fread(part, 1, sizeof part, file)) > 0) {
        text = realloc(text, length + count + 1);
        memcpy(text + length, part, count);
        length += count;
    }
    fclose(file);
    assert_non_null(text);
    text[length] = '\0';
    return text;
}

static void compare(const char *path, const char *expected, const char *got) {
    if (strcmp(expected, got) == 0)
        return;
    if (getenv("REWRITE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(got, file);
        assert_int_equal(fclose(file), 0);
        return;
    }
    size_t line = 1, same = 0;
    for (size_t i = 0; expected[i] == got[i]; i++)
        if (expected[i] == '\n') {
            line++;
            same = i + 1;
        }
    print_error("%s:%zu:\nexpected: %.*s\ngot:      %.*s\n", path, line, (int)strcspn(expected + same, "\n"),
                expected + same, (int)strcspn(got + same, "\n"), got + same);
    fail();
}

static void run_script(void **state) {
    const char *path = *state;
    static struct script script;
    memset(&script, 0, sizeof script);
    world_init(&script.world, 1);
    script.world.name = path;
    char *text = read_file(path);
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        char line[512];
        assert_true(length < sizeof line);
        memcpy(line, at, length);
        line[length] = '\0';
        at += length + (at[length] == '\n');
        if (line[0] == ' ')
            continue; /* what happened: said anew */
        script_say(&script, "%s\n", line);
        if (line[0] && line[0] != '#')
            run_command(&script, line);
    }
    world_close(&script.world);
    compare(path, text, script.out);
    free(text);
    free(script.out);
}

int main(void) {
    static struct CMUnitTest tests[TESTS_MAX];
    glob_t files;
    size_t count = 0;
    if (glob("tests/raft/*.txt", 0, NULL, &files) != 0) {
        fprintf(stderr, "no scripts in tests/raft: run from the top of the tree\n");
        return 1;
    }
    for (; count < files.gl_pathc && count < TESTS_MAX; count++)
        tests[count] = (struct CMUnitTest){
            .name = files.gl_pathv[count], .test_func = run_script, .initial_state = files.gl_pathv[count]};
    int failed = _cmocka_run_group_tests("raft_script", tests, count, NULL, NULL);
    globfree(&files);
    return failed;
}
