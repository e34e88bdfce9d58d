/* SPDX-License-Identifier: MIT */
/*
 * RESP, the one alphabet of redraft: clients speak it, peers speak it, a log entry holds commands in it.
 *
 * Small parts, none of which knows a socket or keeps anything global:
 *
 *   resp_buf     a growable run of bytes: filled at its back, consumed at its front          (buf.c)
 *   resp_parse   an incremental, zero-copy parser of requests: multibulk and inline          (parse.c)
 *   resp_arg     what an argument says; how a line falls into words                         (arg.c)
 *   resp_out     a writer of replies in RESP2 or RESP3, and a builder of requests            (write.c)
 *
 * Out of memory ends the process: no function here reports it.
 */
#ifndef RESP_H
#define RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- bytes --------------------------------------------------------------------------------------------- */

/* All zeros is an empty buffer that owns nothing. Live bytes are bytes[start, end). */
struct resp_buf {
    char *bytes;     /* owned; NULL until the first reserve */
    size_t start;    /* first byte not yet consumed */
    size_t end;      /* one past the last byte written; start <= end <= capacity */
    size_t capacity; /* bytes allocated */
};

/* Frees what the buffer owns and makes it empty. */
void resp_buf_close(struct resp_buf *buf);
/* Room for `length` more bytes at the back; returns where to write them. What was returned before may have
 * moved. */
char *resp_buf_reserve(struct resp_buf *buf, size_t length);
/* Says that `length` of the reserved bytes have been written. */
void resp_buf_commit(struct resp_buf *buf, size_t length);
/* Copies `length` bytes to the back. */
void resp_buf_append(struct resp_buf *buf, const void *bytes, size_t length);
/* Drops `length` bytes from the front; an emptied buffer rewinds, and gives back memory beyond `keep_max`. So
 * does one with little left: what is left may have moved. */
void resp_buf_consume(struct resp_buf *buf, size_t length, size_t keep_max);
/* Drops everything after the first `length` live bytes: takes back what was written last. */
void resp_buf_truncate(struct resp_buf *buf, size_t length);
/* First live byte (never dereference when the length is 0; it may be NULL), and how many there are. */
static inline const char *resp_buf_bytes(const struct resp_buf *buf) {
    return buf->bytes ? buf->bytes + buf->start : NULL;
}
static inline size_t resp_buf_length(const struct resp_buf *buf) {
    return buf->end - buf->start;
}

/* ---- requests in --------------------------------------------------------------------------------------- */

/* One argument: bytes that belong to somebody else; binary, not terminated. */
struct resp_arg {
    const char *bytes;
    size_t length;
};

/* What a sender may send. Redis's own: 512 MB, 1024*1024, 64 KB; 16 KB, 10, 64 KB before authentication. */
struct resp_limits {
    size_t bulk_max;   /* bytes of one argument */
    size_t args_max;   /* arguments of one command */
    size_t inline_max; /* bytes of one inline command, and of a multibulk's count or length line */
    bool anonymous;    /* not authenticated: the texts of the errors say so, as Redis's do */
};
extern const struct resp_limits resp_limits_redis;
extern const struct resp_limits resp_limits_anonymous;

/* One whole command. Everything it points to is the input or the parser (of an inline command, or one that is
 * not canonical), and holds until the input moves or the parser is called again. */
struct resp_command {
    const struct resp_arg *args; /* args[0] is the command's name */
    size_t count;                /* 0 for an empty line or an empty multibulk: skip it */
    const char *raw;             /* the command as canonical multibulk; an inline command is rewritten */
    size_t raw_length;
    size_t consumed; /* bytes of input that it took */
};

enum resp_outcome {
    RESP_INCOMPLETE, /* need more bytes: call again with the same start and more behind it */
    RESP_COMMAND,    /* *command is filled in: go on behind command->consumed */
    RESP_INVALID,    /* resp_parser_error() says why, in Redis's words; the connection is beyond repair */
};

struct resp_parser; /* remembers how far into an incomplete command it has come: no byte is looked at twice */

struct resp_parser *resp_parser_new(void);
void resp_parser_free(struct resp_parser *parser);
/* Forgets an incomplete command, and gives back the memory of a huge one: so does the next command, but an
 * idle connection has none. What the last command pointed to is gone. */
void resp_parser_reset(struct resp_parser *parser);
/* Bytes that the parser itself has allocated. */
size_t resp_parser_memory(const struct resp_parser *parser);

/*
 * Looks for one command at the start of bytes[0, length).
 *
 * After RESP_INCOMPLETE the next call must show the same bytes again with more behind them; they may have
 * moved. After RESP_COMMAND or resp_parser_reset the next call starts afresh, wherever the caller likes.
 * When a long argument is awaited, resp_parser_wanted() says how many bytes in all the command needs at
 * least, so that the caller can make room once.
 */
enum resp_outcome resp_parse(struct resp_parser *parser, const char *bytes, size_t length,
                             const struct resp_limits *limits, struct resp_command *command);
size_t resp_parser_wanted(const struct resp_parser *parser);
/* After RESP_INVALID: the error as Redis words it, without "-" and CRLF: "ERR Protocol error: invalid bulk
 * length". */
const char *resp_parser_error(const struct resp_parser *parser);

/* ---- arguments ----------------------------------------------------------------------------------------- */

/* `length` bytes of each are equal, whatever the case of ASCII letters. */
bool resp_bytes_fold(const char *bytes, const char *word, size_t length);

/* Equal to `word`, whatever the case of ASCII letters. Most words differ in their length already, which a compiler knows. */
static inline bool resp_arg_is(const struct resp_arg *arg, const char *word) {
    return arg->length == strlen(word) && resp_bytes_fold(arg->bytes, word, arg->length);
}
/* A decimal integer in Redis's strict form (string2ll): no spaces, no plus, no leading zeros. False when
 * it is not one. */
bool resp_arg_integer(const struct resp_arg *arg, int64_t *value);
/* The way back: writes `value` in decimal to `digits` and returns it as an argument. Nothing is terminated. */
enum { RESP_DIGITS_MAX = 20 };
struct resp_arg resp_arg_digits(int64_t value, char digits[RESP_DIGITS_MAX]);

/* A line falls into words, with quotes and escapes as in Redis's inline commands and its configuration
 * file. */
struct resp_words {
    const char *at, *end; /* what is left of the line */
    char *out;            /* where the next word's bytes go; room for as many as the line has suffices */
};
enum resp_words_outcome {
    RESP_WORDS_ONE,        /* *word is the next word */
    RESP_WORDS_END,        /* there is none left */
    RESP_WORDS_UNBALANCED, /* a quote does not close, or something follows it at once */
};
enum resp_words_outcome resp_words_next(struct resp_words *words, struct resp_arg *word);

/* ---- replies out --------------------------------------------------------------------------------------- */

/* Where a reply goes and in which protocol. With buf == NULL every writer is a no-op: a replica that applies
 * a command has nobody to answer. */
struct resp_out {
    struct resp_buf *buf;
    int protocol; /* 2 or 3 */
};

void resp_status(struct resp_out *out, const char *text);      /* +OK */
void resp_error(struct resp_out *out, const char *format, ...) /* -ERR ...: CR and LF become spaces */
    __attribute__((format(printf, 2, 3)));
void resp_integer(struct resp_out *out, int64_t value); /* :1 */
void resp_bulk(struct resp_out *out, const void *bytes, size_t length);
void resp_bulk_text(struct resp_out *out, const char *text); /* a bulk from a C string */
void resp_bulk_format(struct resp_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void resp_bulk_integer(struct resp_out *out, int64_t value); /* the integer in decimal, as a bulk */
void resp_verbatim(struct resp_out *out, const char *bytes, size_t length); /* =txt: in RESP3, else a bulk */
void resp_null(struct resp_out *out);                                       /* _ in RESP3, $-1 in RESP2 */
void resp_null_array(struct resp_out *out);                                 /* _ in RESP3, *-1 in RESP2 */
void resp_boolean(struct resp_out *out, bool value);  /* #t #f in RESP3, :1 :0 in RESP2 */
void resp_double(struct resp_out *out, double value); /* , in RESP3, a bulk in RESP2 */
void resp_array(struct resp_out *out, size_t count);  /* the header; `count` replies follow */
void resp_map(struct resp_out *out, size_t pairs);    /* %n in RESP3, *2n in RESP2 */
void resp_set(struct resp_out *out, size_t count);    /* ~n in RESP3, *n in RESP2 */
void resp_push(struct resp_out *out, size_t count);   /* >n in RESP3, *n in RESP2 */
/* An array whose length is known only at its end: remember the mark, write the elements, then close it. */
size_t resp_array_open(struct resp_out *out);
void resp_array_close(struct resp_out *out, size_t mark, size_t count);

/* ---- requests out -------------------------------------------------------------------------------------- */

/* A request of `count` arguments: the header, then exactly that many resp_request_* calls. */
void resp_request(struct resp_buf *buf, size_t count);
void resp_request_bulk(struct resp_buf *buf, const void *bytes, size_t length);
void resp_request_text(struct resp_buf *buf, const char *text);
void resp_request_integer(struct resp_buf *buf, int64_t value);
void resp_request_unsigned(struct resp_buf *buf, uint64_t value);
/* Only the header of a bulk of `length` bytes: the caller sends the bytes and the CRLF from where they
 * are. */
void resp_request_bulk_header(struct resp_buf *buf, size_t length);

#endif
