/* SPDX-License-Identifier: MIT */
/*
 * The two ways to a cluster of one: from a backup, and from what a lost cluster has left on this node's disk.
 *
 * Both make a cluster with an id of its own. So nothing that is left of the old one can meet it: its members and this one refuse each
 * other, and no vote or entry of the one counts in the other.
 */
#include "tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admission.h"
#include "conf.h"
#include "level.h"
#include "note.h"
#include "store/data.h"

static int fail(const char *what, const char *why) {
    fprintf(stderr, "redraft: %s: %s\n", what, why);
    return 1;
}

/* A cluster of this node alone. */
static struct store_identity lone_identity(const struct conf *conf) {
    struct store_identity identity = {.node = conf->raft_id, .member_count = 1};
    struct store_member *self = &identity.members[0];
    admission_random_id(identity.cluster);
    admission_random_id(identity.incarnation);
    self->id = conf->raft_id;
    strcpy(self->incarnation, identity.incarnation);
    for (size_t i = 0; i < conf->node_count; i++)
        if (conf->nodes[i].id == conf->raft_id)
            snprintf(self->address, sizeof self->address, "%.240s:%u", conf->nodes[i].host,
                     conf->nodes[i].port);
    return identity;
}

static void say_how_to_go_on(const struct conf *conf) {
    printf("\nStart it:  redraft %s\n", conf->file[0] ? conf->file : "with the same arguments");
    printf("Grow it:   give each further node an empty dir and raft-join, start it, and say on this one\n"
           "           RAFT.NODE ADD <id> <host>:<port>\n");
    if (conf->node_count > 1)
        printf(
            "Note:      the other raft-node lines are ignored: their nodes are no members of this cluster\n");
}

/* ---- --restore --- */

/* As a start would: both files are verified, and fit each other. */
static bool read_back(const struct conf *conf, const struct store_identity *identity, struct store_boot *boot,
                      struct store_meta **meta, char why[STORE_WHY_MAX]) {
    struct store_log *log = NULL;
    struct store_data *data = NULL;
    if (store_log_open(conf->dir, identity->node, identity->incarnation, &log, boot, why) != STORE_OK)
        return false;
    const struct store_data_wants wants = store_data_wants(boot);
    bool opened = store_data_open(conf->dir, &wants, &data, meta, why) == STORE_OK;
    store_data_close(data);
    store_log_close(log);
    return opened;
}

int tools_restore(const struct conf *conf, const char *backup) {
    struct store_identity identity = lone_identity(conf);
    const struct store_bytes nobody = {0}; /* the members are the identity's */
    struct store_meta *meta = NULL;
    struct store_boot boot;
    char why[STORE_WHY_MAX];
    if (store_restore(backup, conf->dir, &identity, &nobody, level_offered(conf->feature_level_max), why) !=
        STORE_OK)
        return fail("nothing was restored", why);
    if (!read_back(conf, &identity, &boot, &meta, why))
        return fail("restored, but it cannot be read back", why);
    printf("Restored %s into %s: the state at entry %" PRIu64 " of term %" PRIu64 ", %" PRIu64
           " pages, %" PRIu64 " KB.\nIt is node %" PRIu64 " at %s, the only member of a new cluster, %s.\n",
           backup, conf->dir, meta->applied, meta->applied_term, meta->pages, meta->bytes / 1024,
           identity.node, identity.members[0].address, identity.cluster);
    store_meta_free(meta);
    say_how_to_go_on(conf);
    return 0;
}

/* ---- --recover --- */

static void say_what_it_means(const struct conf *conf, const struct store_recovered *found) {
    printf("%s: node %" PRIu64 " of cluster %s.\n"
           "Its disk holds the state at entry %" PRIu64 " and a log up to entry %" PRIu64 ", term %" PRIu64
           ".\n\n",
           conf->dir, found->identity.node, found->identity.cluster, found->applied, found->last_index,
           found->term);
    puts(
        "To recover makes this node a cluster of its own, with a new id and itself as the only member:\n"
        "  - LOST is every write that the others acknowledged and that did not reach this disk. Recover the\n"
        "    node whose log ends last, of those that are left: compare the entries above, the term first.\n"
        "  - KEPT is all that this disk holds, also writes whose clients never got an answer or got "
        "-INDOUBT.\n"
        "  - The other members stay behind. Stop them, and never let clients reach them again: if enough of\n"
        "    them are alive to elect a leader, there are two clusters with different data.\n"
        "  - As long as a majority of the members can be started at all, do that instead: it loses nothing.");
}

int tools_recover(const struct conf *conf, bool sure) {
    struct store_identity identity = lone_identity(conf);
    struct store_recovered found;
    char why[STORE_WHY_MAX];
    if (store_recover(conf->dir, &identity, true, &found, why) != STORE_OK)
        return fail("nothing was changed", why);
    say_what_it_means(conf, &found);
    char verdict[STORE_WHY_MAX];
    if (note_read(conf->dir, NOTE_DIFFERS, verdict, sizeof verdict) != NOTE_NONE)
        printf("\nWARNING: the state on this disk was found to be wrong. Recover another node, if there is "
               "one.\n%s\n",
               verdict);
    if (!sure) {
        puts("\nNothing was changed. To do it: the same command with --yes behind --recover.");
        return 1;
    }
    fflush(stdout);
    if (store_recover(conf->dir, &identity, false, &found, why) != STORE_OK)
        return fail("not recovered, the node is as it was", why);
    (void)note_remove(conf->dir, NOTE_DIFFERS); /* there is nobody left to differ from */
    printf("\nRecovered: node %" PRIu64 " at %s is the only member of cluster %s. The old files are in %s.\n",
           identity.node, identity.members[0].address, identity.cluster, found.aside);
    say_how_to_go_on(conf);
    return 0;
}
