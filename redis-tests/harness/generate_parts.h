/* SPDX-License-Identifier: MIT */
/* What the families of generated commands are made of. A family has rows and arguments of its own, in a file of its own. */
#ifndef GENERATE_PARTS_H
#define GENERATE_PARTS_H

#include "generate.h"

/* One row a command; generate.c says what the letters in `arguments` mean, a digit, or what follows '_', is the family's own. */
struct generate_row {
    const char *name; /* of a subcommand "container|name" */
    unsigned weight;
    const char *arguments;
    enum comparison comparison; /* an argument may loosen it */
};

struct generate_family {
    const struct generate_row *rows; /* ended by one without a name */
    void (*add)(uint64_t *seed, struct request *request, char letter);
};

extern const struct generate_family generate_lists, generate_hashes, generate_sets, generate_zsets,
    generate_transactions, generate_scripts, generate_server, generate_packed, generate_streams;

void generate_transactions_follow(uint64_t *seed, struct request *request, const struct generate_row *row);
const struct generate_row *generate_transactions_due(struct request *request);

void generate_server_follow(uint64_t *seed, struct request *request, const struct generate_row *row);
const struct generate_row *generate_server_due(struct request *request);

uint64_t generate_below(uint64_t *seed, uint64_t limit);
bool generate_one_in(uint64_t *seed, uint64_t n);
void generate_add(struct request *request, const void *bytes, size_t length);
void generate_add_text(struct request *request, const char *text);
void generate_add_integer(struct request *request, int64_t value);
/* Another command with its arguments, such as a script may call. Returns how its reply is compared. `clears`: one that has to come behind one
 * that clears Redis's errno. */
enum comparison generate_add_called(uint64_t *seed, struct request *request, bool clears);
/* Of a command that blocks: seconds, never so many that the other commands would wait long, or none at all. */
void generate_add_timeout(uint64_t *seed, struct request *request);
/* The argument that a letter stands for. */
void generate_add_argument(uint64_t *seed, struct request *request, char letter);

#define GENERATE_PICK(seed, list) ((list)[generate_below(seed, sizeof(list) / sizeof(*(list)))])

#endif
