/* SPDX-License-Identifier: MIT */
/* Short words for the rows of the command table: rows.c says what they mean. */
#ifndef ROW_WORDS_H
#define ROW_WORDS_H

#include "command.h"

#define R        COMMAND_READONLY
#define W        COMMAND_WRITE
#define OOM      COMMAND_DENYOOM
#define ADM      COMMAND_ADMIN
#define NOSCR    COMMAND_NOSCRIPT
#define LOAD     COMMAND_LOADING
#define STALE    COMMAND_STALE
#define FAST     COMMAND_FAST
#define NOAUTH   COMMAND_NO_AUTH
#define NOMULTI  COMMAND_NO_MULTI
#define NOASYNC  COMMAND_NO_ASYNC_LOADING
#define BUSY     COMMAND_ALLOW_BUSY
#define REPORT   COMMAND_REPORT
#define SESSIONS COMMAND_SESSIONS
#define LATER    COMMAND_LATER
#define ANYTIME  (NOSCR | LOAD | STALE)
#define GREETING (NOSCR | LOAD | STALE | FAST | NOAUTH | BUSY)
#define REFUSED  (ADM | STALE | NOASYNC)
#define NO_KEYS  0, 0, 0
#define KEY      1, 1, 1
#define STR      CATEGORY_STRING
#define BITS     CATEGORY_BITMAP
#define HASH     CATEGORY_HASH
#define SET      CATEGORY_SET
#define ZSET     CATEGORY_SORTEDSET
#define KEYSP    CATEGORY_KEYSPACE
#define LIST     CATEGORY_LIST
#define SORTED   (CATEGORY_LIST | CATEGORY_SET | CATEGORY_SORTEDSET | CATEGORY_DANGEROUS)
#define CONN     CATEGORY_CONNECTION
#define DANGER   CATEGORY_DANGEROUS
#define PARTS    "Depends on subcommand."
#define LOOKS    COMMAND_LOOKS
#define UNQUEUED COMMAND_UNQUEUED
#define TRANS    CATEGORY_TRANSACTION
#define LOGGED   COMMAND_LOGGED
#define NOKEYS   COMMAND_NO_MANDATORY_KEYS
#define SCRIPTS  CATEGORY_SCRIPTING

#define KEYS(name, ...) static const struct command_keys name[] = {__VA_ARGS__, {0}}
#define TIPS(name, ...) static const char *const name[] = {__VA_ARGS__, NULL}

#endif
