/* SPDX-License-Identifier: MIT */
#include "admission.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "version.h"

enum { FACTS = 13 }; /* in the order of write_facts */
_Static_assert(ADMISSION_HELLO_WORDS == 1 + FACTS + 1, "a stranger may say them all");

#define FOUNDERS "OK" /* what they stand behind */

/* ---- chance and digests ---------------------------------------------------------------------------------- */

static void random_bytes(void *bytes, size_t length) {
    for (size_t have = 0; have < length;) {
        ssize_t got = getrandom((char *)bytes + have, length - have, 0);
        if (got < 0 && errno != EINTR)
            abort();
        have += got > 0 ? (size_t)got : 0;
    }
}

static void to_hex(const unsigned char *bytes, size_t length, char *hex) {
    for (size_t i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

void admission_random_id(char id[STORE_ID_LENGTH + 1]) {
    unsigned char bytes[STORE_ID_LENGTH / 2];
    random_bytes(bytes, sizeof bytes);
    to_hex(bytes, sizeof bytes, id);
}

uint64_t admission_random(void) {
    uint64_t number;
    random_bytes(&number, sizeof number);
    return number;
}

static void random_nonce(char nonce[ADMISSION_NONCE_LENGTH + 1]) {
    unsigned char bytes[ADMISSION_NONCE_LENGTH / 2];
    random_bytes(bytes, sizeof bytes);
    to_hex(bytes, sizeof bytes, nonce);
}

bool admission_read_secret(struct admission *admission, const char *path, char why[ADMISSION_WHY_MAX]) {
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(why, ADMISSION_WHY_MAX, "raft-secret-file %s: %s", path, strerror(errno));
        return false;
    }
    bool read = fgets(admission->secret, sizeof admission->secret, file) != NULL;
    fclose(file);
    admission->secret_length = read ? strcspn(admission->secret, "\r\n") : 0;
    bool whole = admission->secret_length < sizeof admission->secret - 1;
    if (admission->secret_length >= 16 && whole)
        return true;
    snprintf(why, ADMISSION_WHY_MAX,
             "raft-secret-file %s: its first line must hold a secret of 16 to %zu bytes", path,
             sizeof admission->secret - 2);
    return false;
}

/* ---- facts ------------------------------------------------------------------------------------------------- */

static void write_facts(struct resp_buf *out, const struct admission_facts *facts) {
    resp_request_unsigned(out, facts->protocol);
    resp_request_unsigned(out, facts->from);
    resp_request_unsigned(out, facts->to);
    resp_request_text(out, facts->name);
    resp_request_text(out, facts->cluster[0] ? facts->cluster : "-");
    resp_request_text(out, facts->incarnation);
    resp_request_text(out, facts->members);
    resp_request_unsigned(out, facts->offers);
    resp_request_unsigned(out, facts->level);
    resp_request_text(out, facts->version);
    resp_request_text(out, facts->announced);
    resp_request_unsigned(out, facts->patience_ms);
    resp_request_text(out, facts->address[0] ? facts->address : "-");
}

static bool read_text(const struct resp_arg *arg, char *text, size_t size) {
    if (arg->length >= size || memchr(arg->bytes, 0, arg->length))
        return false;
    memcpy(text, arg->bytes, arg->length);
    text[arg->length] = 0;
    return true;
}

static bool read_number(const struct resp_arg *arg, uint64_t *number) {
    int64_t value;
    if (!resp_arg_integer(arg, &value) || value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

static bool read_facts(const struct resp_arg *args, struct admission_facts *facts) {
    uint64_t protocol, offers, level, patience_ms;
    if (!read_number(&args[0], &protocol) || !read_number(&args[1], &facts->from) ||
        !read_number(&args[2], &facts->to) || !read_text(&args[3], facts->name, sizeof facts->name) ||
        !read_text(&args[4], facts->cluster, sizeof facts->cluster) ||
        !read_text(&args[5], facts->incarnation, sizeof facts->incarnation) ||
        !read_text(&args[6], facts->members, sizeof facts->members) || !read_number(&args[7], &offers) ||
        !read_number(&args[8], &level) || !read_text(&args[9], facts->version, sizeof facts->version) ||
        !read_text(&args[10], facts->announced, sizeof facts->announced) ||
        !read_number(&args[11], &patience_ms) ||
        !read_text(&args[12], facts->address, sizeof facts->address) || protocol > UINT_MAX ||
        offers > UINT_MAX || level > UINT_MAX || patience_ms > UINT32_MAX)
        return false;
    facts->protocol = (unsigned)protocol;
    facts->offers = (unsigned)offers;
    facts->level = (unsigned)level;
    facts->patience_ms = (uint32_t)patience_ms;
    if (strcmp(facts->cluster, "-") == 0)
        facts->cluster[0] = 0;
    if (strcmp(facts->address, "-") == 0)
        facts->address[0] = 0;
    return strlen(facts->incarnation) == STORE_ID_LENGTH;
}

/* "1=host:port,2=host:port" */
static void write_members(const struct roster *members, struct admission_facts *facts) {
    size_t at = 0;
    for (size_t i = 0; i < members->count; i++)
        if (members->at[i].kind != RAFT_REMOVED)
            at += (size_t)snprintf(facts->members + at, sizeof facts->members - at, "%s%llu=%s",
                                   at > 0 ? "," : "", (unsigned long long)members->at[i].id,
                                   members->at[i].address);
    assert(at < sizeof facts->members);
}

/* `present`: for one that joins. */
static void our_facts(const struct admission *admission, raft_id to, bool present,
                      struct admission_facts *facts) {
    const struct store_identity *identity = &admission->identity;
    *facts = (struct admission_facts){.protocol = ADMISSION_PROTOCOL,
                                      .from = identity->node,
                                      .to = to,
                                      .offers = admission->offers,
                                      .level = admission->level,
                                      .patience_ms = admission->patience_ms,
                                      .version = REDRAFT_VERSION};
    snprintf(facts->name, sizeof facts->name, "%s", admission->name);
    snprintf(facts->cluster, sizeof facts->cluster, "%s", identity->cluster);
    snprintf(facts->incarnation, sizeof facts->incarnation, "%s", identity->incarnation);
    snprintf(facts->announced, sizeof facts->announced, "%s", admission->announced);

    snprintf(facts->address, sizeof facts->address, "%s", admission->address);
    if (present && admission->members && admission->members->count > 0) {
        write_members(admission->members, facts);
        return;
    }
    struct roster initial = {0};
    roster_read_identity(&initial, identity);
    write_members(&initial, facts);
    roster_close(&initial);
}

/* ---- proofs ------------------------------------------------------------------------------------------------ */

static void prove(const struct admission *admission, const char *side,
                  const struct admission_exchange *exchange, bool we_prove,
                  char proof[ADMISSION_PROOF_LENGTH + 1]) {
    if (admission->secret_length == 0) {
        strcpy(proof, "-");
        return;
    }
    struct resp_buf text = {0};
    resp_request(&text, 3 + 2 * FACTS);
    resp_request_text(&text, side);
    resp_request_text(&text, we_prove ? exchange->our_nonce : exchange->their_nonce);
    resp_request_text(&text, we_prove ? exchange->their_nonce : exchange->our_nonce);
    write_facts(&text, we_prove ? &exchange->ours : &exchange->theirs);
    write_facts(&text, we_prove ? &exchange->theirs : &exchange->ours);

    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_length = 0;
    if (!HMAC(EVP_sha256(), admission->secret, (int)admission->secret_length,
              (const unsigned char *)resp_buf_bytes(&text), resp_buf_length(&text), mac, &mac_length))
        abort();
    resp_buf_close(&text);
    assert(mac_length * 2 == ADMISSION_PROOF_LENGTH);
    to_hex(mac, mac_length, proof);
}

static bool proof_holds(const struct admission *admission, const char *side,
                        const struct admission_exchange *exchange, const struct resp_arg *shown) {
    char proof[ADMISSION_PROOF_LENGTH + 1];
    prove(admission, side, exchange, false, proof);
    return shown->length == strlen(proof) && CRYPTO_memcmp(shown->bytes, proof, shown->length) == 0;
}

/* ---- judgement --------------------------------------------------------------------------------------------- */

/* The member by the newest list or, before there is one, by the initial one. A stranger's kind says so. */
static struct member member_of(const struct admission *admission, raft_id id) {
    const struct store_identity *identity = &admission->identity;
    struct member member = {.id = id};
    if (admission->members && admission->members->count > 0) {
        const struct member *found = roster_find(admission->members, id);
        return found ? *found : member;
    }
    for (size_t i = 0; i < identity->member_count; i++)
        if (identity->members[i].id == id) {
            member.kind = RAFT_VOTER;
            strcpy(member.incarnation, identity->members[i].incarnation);
        }
    return member;
}

/* A new node that asks to be taken in. */
static bool joins(const struct admission_facts *facts) {
    return !facts->cluster[0] && !facts->members[0];
}

#define REFUSE(...) (snprintf(why, ADMISSION_WHY_MAX, __VA_ARGS__), false)

/* One that shows the cluster's id goes on: a removed one is told so when it has proved itself, a stranger may be a member by a list that
 * is not here yet. */
static bool judge_membership(const struct admission *admission, const struct admission_facts *theirs,
                             char why[ADMISSION_WHY_MAX]) {
    const struct store_identity *identity = &admission->identity;
    unsigned long long from = theirs->from, us = identity->node;
    struct member member = member_of(admission, theirs->from);
    bool formed = identity->cluster[0], we_join = !formed && identity->member_count == 0;
    if (formed && theirs->cluster[0])
        return true;
    if (member.kind == RAFT_REMOVED)
        return REFUSE("node %llu was removed from the cluster, and ids are not used again: give the new node "
                      "another raft-id",
                      from);
    if (member.kind != RAFT_STRANGER || (we_join && theirs->cluster[0]))
        return true;
    if (we_join)
        return REFUSE("node %llu is new and waits to be taken in by a cluster", us);
    if (formed)
        return REFUSE(
            "node %llu is not a member, and the cluster has formed: RAFT.NODE ADD %llu <host>:<port> "
            "takes it in, with raft-join in its configuration",
            from, from);
    return REFUSE("node %llu is not a member: the members of node %llu are its raft-node lines", from, us);
}

/* Of facts that may be those of another version, only the first two are sure to be what they are here. */
static bool judge_protocol(const struct admission *admission, const struct resp_arg *facts, size_t count,
                           char why[ADMISSION_WHY_MAX]) {
    uint64_t protocol, from;
    if (count < 2 || !read_number(&facts[0], &protocol) || !read_number(&facts[1], &from) ||
        protocol == ADMISSION_PROTOCOL)
        return true;
    return REFUSE("node %llu speaks peer protocol %llu, node %llu speaks %d", (unsigned long long)from,
                  (unsigned long long)protocol, (unsigned long long)admission->identity.node,
                  ADMISSION_PROTOCOL);
}

/* What a stranger may be told and a member must know; before any proof. */
static bool judge_place(const struct admission *admission, const struct admission_facts *theirs,
                        char why[ADMISSION_WHY_MAX]) {
    const struct store_identity *identity = &admission->identity;
    unsigned long long from = theirs->from, us = identity->node;
    if (strcmp(theirs->name, admission->name) != 0)
        return REFUSE("node %llu belongs to cluster '%.100s', node %llu to '%.100s' (raft-cluster-name)",
                      from, theirs->name, us, admission->name);
    if (theirs->to != identity->node && !(theirs->to == 0 && joins(theirs)))
        return REFUSE("node %llu takes this address for node %llu's, but node %llu answers here", from,
                      (unsigned long long)theirs->to, us);
    if (theirs->from == identity->node)
        return REFUSE("node %llu met a second node %llu: an id may be used once (raft-id)", us, us);
    return judge_membership(admission, theirs, why);
}

static bool judge_identity(const struct admission *admission, const struct admission_exchange *exchange,
                           char why[ADMISSION_WHY_MAX]) {
    const struct admission_facts *ours = &exchange->ours, *theirs = &exchange->theirs;
    struct member member = member_of(admission, theirs->from);
    unsigned long long from = theirs->from;
    if (ours->cluster[0] && theirs->cluster[0] && strcmp(ours->cluster, theirs->cluster) != 0)
        return REFUSE("node %llu belongs to another cluster (%s) of this name; this is %s", from,
                      theirs->cluster, ours->cluster);
    if (member.incarnation[0] && strcmp(member.incarnation, theirs->incarnation) != 0)
        return REFUSE("node %llu is known as incarnation %.8s, this one is %.8s: its data directory is new. "
                      "Wrong dir or mount? If its "
                      "disk is lost, remove the node from the cluster and add it again",
                      from, member.incarnation, theirs->incarnation);
    if (joins(theirs) || joins(ours))
        return true;
    if (!(ours->cluster[0] && theirs->cluster[0]) && strcmp(ours->members, theirs->members) != 0)
        return REFUSE("the raft-node lines differ: node %llu has %.400s, node %llu has %.400s",
                      (unsigned long long)ours->from, ours->members, from, theirs->members);
    return true;
}

/* The other has proved itself. */
static bool judge_level(const struct admission *admission, struct admission_exchange *exchange,
                        char why[ADMISSION_WHY_MAX]) {
    const struct admission_facts *theirs = &exchange->theirs;
    exchange->outdated = admission->offers < theirs->level;
    if (!exchange->outdated && theirs->offers >= admission->level)
        return true;
    return REFUSE(
        "node %llu offers feature level %u, and the cluster is at %u: it needs a redraft that knows "
        "that level, or a higher raft-feature-level-max",
        (unsigned long long)(exchange->outdated ? admission->identity.node : theirs->from),
        exchange->outdated ? admission->offers : theirs->offers,
        exchange->outdated ? theirs->level : admission->level);
}

/* ---- the four steps ---------------------------------------------------------------------------------------- */

void admission_hello(struct admission *admission, raft_id to, struct admission_exchange *exchange,
                     struct resp_buf *out) {
    *exchange = (struct admission_exchange){0};
    our_facts(admission, to, false, &exchange->ours);
    random_nonce(exchange->our_nonce);
    resp_request(out, 1 + FACTS + 1);
    resp_request_text(out, "RAFT.HELLO");
    write_facts(out, &exchange->ours);
    resp_request_text(out, exchange->our_nonce);
}

static bool refuse_aloud(struct resp_buf *out, const char *why) {
    struct resp_out reply = {.buf = out, .protocol = 2};
    resp_error(&reply, "ERR %s", why);
    return false;
}

static bool judge_hello(struct admission *admission, const struct resp_arg *args, size_t count,
                        struct admission_exchange *exchange, char why[ADMISSION_WHY_MAX]) {
    if (!judge_protocol(admission, args + 1, count - 1, why))
        return false;
    if (count != 1 + FACTS + 1 || !read_facts(args + 1, &exchange->theirs) ||
        !read_text(&args[1 + FACTS], exchange->their_nonce, sizeof exchange->their_nonce))
        return REFUSE("RAFT.HELLO is malformed");
    return judge_place(admission, &exchange->theirs, why);
}

bool admission_answer(struct admission *admission, const struct resp_arg *args, size_t count,
                      struct admission_exchange *exchange, struct resp_buf *out,
                      char why[ADMISSION_WHY_MAX]) {
    *exchange = (struct admission_exchange){0};
    if (!judge_hello(admission, args, count, exchange, why))
        return refuse_aloud(out, why);
    our_facts(admission, exchange->theirs.from, joins(&exchange->theirs), &exchange->ours);
    if (!judge_identity(admission, exchange, why))
        return refuse_aloud(out, why);
    random_nonce(exchange->our_nonce);
    char proof[ADMISSION_PROOF_LENGTH + 1];
    prove(admission, "answer", exchange, true, proof);
    resp_request(out, FACTS + 2);
    write_facts(out, &exchange->ours);
    resp_request_text(out, exchange->our_nonce);
    resp_request_text(out, proof);
    return true;
}

bool admission_prove(struct admission *admission, const struct resp_arg *args, size_t count,
                     struct admission_exchange *exchange, struct resp_buf *out, char why[ADMISSION_WHY_MAX]) {
    if (!judge_protocol(admission, args, count, why))
        return false;
    if (count != FACTS + 2 || !read_facts(args, &exchange->theirs) ||
        !read_text(&args[FACTS], exchange->their_nonce, sizeof exchange->their_nonce))
        return REFUSE("the answer to RAFT.HELLO is malformed");
    if (exchange->theirs.from != exchange->ours.to && exchange->ours.to != 0)
        return REFUSE("node %llu answers where node %llu was expected",
                      (unsigned long long)exchange->theirs.from, (unsigned long long)exchange->ours.to);
    if (!judge_place(admission, &exchange->theirs, why))
        return false;
    if (!proof_holds(admission, "answer", exchange, &args[FACTS + 1]))
        return REFUSE("node %llu could not prove that it knows the raft-secret",
                      (unsigned long long)exchange->theirs.from);
    if (!judge_identity(admission, exchange, why) || !judge_level(admission, exchange, why))
        return false;
    exchange->proven = true;
    char proof[ADMISSION_PROOF_LENGTH + 1];
    prove(admission, "dial", exchange, true, proof);
    resp_request(out, 2);
    resp_request_text(out, "RAFT.AUTH");
    resp_request_text(out, proof);
    return true;
}

/* One that was there at the beginning, and has not formed yet, is told who they all were. Those that were taken in later do not get here:
 * it does not know them. */
static void say_founders(const struct admission *admission, const struct admission_facts *theirs,
                         struct resp_out *reply) {
    const struct store_identity *identity = &admission->identity;
    char text[ADMISSION_FOUNDERS_MAX] = FOUNDERS;
    size_t at = strlen(text);
    if (identity->cluster[0] && !theirs->cluster[0] && !joins(theirs))
        for (size_t i = 0; i < identity->member_count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %llu=%s",
                                   (unsigned long long)identity->members[i].id,
                                   identity->members[i].incarnation);
    resp_status(reply, text);
}

/* It is who it says it is. */
static bool let_in(const struct admission *admission, struct admission_exchange *exchange,
                   struct resp_buf *out, char why[ADMISSION_WHY_MAX]) {
    struct resp_out reply = {.buf = out, .protocol = 2};
    const struct member member = member_of(admission, exchange->theirs.from);
    unsigned long long from = exchange->theirs.from;
    bool listed = admission->members && admission->members->count > 0;
    if (member.kind == RAFT_REMOVED && admission->settled) {
        snprintf(why, ADMISSION_WHY_MAX, "node %llu was removed from the cluster", from);
        resp_error(&reply, "REMOVED %s", why);
        return false;
    }
    if (!judge_level(admission, exchange, why))
        return refuse_aloud(out, why);
    bool new = joins(&exchange->theirs);
    if (new && !listed) { /* it may be a member that has lost its disk: who knows? */
        snprintf(why, ADMISSION_WHY_MAX, "node %llu does not know the members yet",
                 (unsigned long long)admission->identity.node);
        resp_error(&reply, "WAIT - %s", why);
        return false;
    }
    if (new &&member.kind != RAFT_STRANGER && !member.incarnation[0]) {
        exchange->claims = true;
        snprintf(why, ADMISSION_WHY_MAX, "node %llu is being taken in", from);
        resp_error(&reply, "WAIT %s %s", admission->leader[0] ? admission->leader : "-", why);
        return false;
    }
    say_founders(admission, &exchange->theirs, &reply);
    return true;
}

bool admission_proved(struct admission *admission, const struct resp_arg *args, size_t count,
                      struct admission_exchange *exchange, struct resp_buf *out,
                      char why[ADMISSION_WHY_MAX]) {
    bool answered = exchange->our_nonce[0] != 0; /* a hello that was refused cannot be proved */
    if (!answered || count != 2 || !proof_holds(admission, "dial", exchange, &args[1])) {
        snprintf(why, ADMISSION_WHY_MAX, "node %llu could not prove that it knows the raft-secret",
                 (unsigned long long)exchange->theirs.from);
        return refuse_aloud(out, why);
    }
    exchange->proven = true;
    return let_in(admission, exchange, out, why);
}

/* ---- forming ----------------------------------------------------------------------------------------------- */

static int by_id(const void *left, const void *right) {
    raft_id a = ((const struct store_member *)left)->id, b = ((const struct store_member *)right)->id;
    return a < b ? -1 : a > b;
}

static void digest_cluster(const char *name, const struct store_identity *identity,
                           char cluster[STORE_ID_LENGTH + 1]) {
    struct store_identity sorted = *identity;
    qsort(sorted.members, sorted.member_count, sizeof *sorted.members, by_id);
    struct resp_buf text = {0};
    resp_request(&text, 1 + 2 * sorted.member_count);
    resp_request_text(&text, name);
    for (size_t i = 0; i < sorted.member_count; i++) {
        resp_request_unsigned(&text, sorted.members[i].id);
        resp_request_text(&text, sorted.members[i].incarnation);
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(resp_buf_bytes(&text), resp_buf_length(&text), digest, NULL, EVP_sha256(), NULL))
        abort();
    resp_buf_close(&text);
    to_hex(digest, STORE_ID_LENGTH / 2, cluster);
}

bool admission_form(struct admission *admission) {
    struct store_identity *identity = &admission->identity;
    if (identity->cluster[0] || identity->member_count == 0)
        return false;
    for (size_t i = 0; i < identity->member_count; i++)
        if (!identity->members[i].incarnation[0])
            return false;
    digest_cluster(admission->name, identity, identity->cluster);
    return true;
}

bool admission_meet(struct admission *admission, const struct admission_facts *theirs) {
    struct store_identity *identity = &admission->identity;
    for (size_t i = 0; i < identity->member_count; i++)
        if (identity->members[i].id == theirs->from && !identity->members[i].incarnation[0])
            strcpy(identity->members[i].incarnation, theirs->incarnation);
    return admission_form(admission);
}

/* " 2=<incarnation>": false when there is none, or it is none of ours, or another than was met. */
static bool take_founder(struct store_identity *identity, const char **text) {
    char *equals;
    if (**text != ' ')
        return false;
    raft_id id = strtoull(*text + 1, &equals, 10);
    if (*equals != '=' || strcspn(equals + 1, " ") != STORE_ID_LENGTH)
        return false;
    *text = equals + 1 + STORE_ID_LENGTH;
    for (size_t i = 0; i < identity->member_count; i++) {
        char *known = identity->members[i].incarnation;
        if (identity->members[i].id != id)
            continue;
        if (known[0])
            return strncmp(known, equals + 1, STORE_ID_LENGTH) == 0;
        memcpy(known, equals + 1, STORE_ID_LENGTH);
        return true;
    }
    return false;
}

bool admission_told(struct admission *admission, const struct admission_facts *theirs,
                    const struct resp_arg *reply) {
    struct store_identity founders = admission->identity;
    char text[ADMISSION_FOUNDERS_MAX];
    const char *at = text + strlen(FOUNDERS);
    if (founders.cluster[0] || !read_text(reply, text, sizeof text) ||
        strncmp(text, FOUNDERS, strlen(FOUNDERS)) != 0)
        return false;
    for (size_t i = 0; i < founders.member_count; i++)
        if (!take_founder(&founders, &at))
            return false;
    digest_cluster(admission->name, &founders, founders.cluster);
    if (*at || strcmp(founders.cluster, theirs->cluster) != 0)
        return false;
    admission->identity = founders;
    return true;
}
