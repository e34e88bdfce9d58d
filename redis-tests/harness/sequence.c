/* SPDX-License-Identifier: MIT */
#include "sequence.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness.h"

static const char *const comparison_names[] = {
    [COMPARE_BYTES] = "bytes",       [COMPARE_ANY_ORDER] = "any-order", [COMPARE_PAIRS] = "pairs",
    [COMPARE_TIME] = "time",         [COMPARE_TIMES] = "times",         [COMPARE_SHAPE] = "shape",
    [COMPARE_ENCODING] = "encoding",
};
enum { COMPARISONS = sizeof(comparison_names) / sizeof(*comparison_names) };

/* ---- in memory ------------------------------------------------------------------------------------------- */

/* Room for one more of `size` bytes. */
static void *grown(void *items, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return items;
    *room = *room * 2 + 64;
    items = realloc(items, *room * size);
    if (items == NULL)
        abort();
    return items;
}

void sequence_close(struct sequence *sequence) {
    free(sequence->commands);
    free(sequence->words);
    free(sequence->bytes);
    *sequence = (struct sequence){0};
}

void sequence_clear(struct sequence *sequence) {
    sequence->count = sequence->word_count = sequence->used = 0;
}

static void add_word(struct sequence *sequence, const void *bytes, size_t length) {
    if (sequence->bytes_room - sequence->used < length || sequence->bytes == NULL) {
        sequence->bytes_room = 2 * sequence->bytes_room + length + 4096;
        sequence->bytes = realloc(sequence->bytes, sequence->bytes_room);
        if (sequence->bytes == NULL)
            abort();
    }
    sequence->words =
        grown(sequence->words, sequence->word_count, &sequence->word_room, sizeof(*sequence->words));
    sequence->words[sequence->word_count].start = sequence->used;
    sequence->words[sequence->word_count++].length = length;
    memcpy(sequence->bytes + sequence->used, bytes, length);
    sequence->used += length;
    sequence->commands[sequence->count - 1].count++;
}

static struct sent *add_command(struct sequence *sequence, struct sent sent) {
    sequence->commands =
        grown(sequence->commands, sequence->count, &sequence->room, sizeof(*sequence->commands));
    sent.first = sequence->word_count;
    sent.count = 0;
    sequence->commands[sequence->count] = sent;
    return &sequence->commands[sequence->count++];
}

void sequence_add(struct sequence *sequence, const struct request *request, enum comparison comparison,
                  bool as_inline, unsigned connection) {
    (void)add_command(sequence, (struct sent){.connection = (unsigned char)connection,
                                              .as_inline = as_inline,
                                              .joined = request->joined,
                                              .comparison = comparison});
    for (size_t i = 0; i < request->count; i++)
        add_word(sequence, request->bytes + request->args[i].start, request->args[i].length);
}

struct word sequence_word(const struct sequence *sequence, size_t at, size_t word) {
    const struct sent *sent = &sequence->commands[at];
    if (word >= sent->count)
        return (struct word){"", 0};
    size_t place = sent->first + word;
    return (struct word){sequence->bytes + sequence->words[place].start, sequence->words[place].length};
}

size_t sequence_words(const struct sequence *sequence, size_t at, struct word *words) {
    size_t count = sequence->commands[at].count;
    for (size_t i = 0; i < count; i++)
        words[i] = sequence_word(sequence, at, i);
    return count;
}

bool sequence_word_is(struct word word, const char *text) {
    return word.length == strlen(text) && strncasecmp(word.bytes, text, word.length) == 0;
}

bool sequence_is(const struct sequence *sequence, size_t at, const char *name) {
    return sequence->commands[at].count == 1 && sequence_word_is(sequence_word(sequence, at, 0), name);
}

size_t sequence_size(const struct sequence *sequence, size_t at) {
    size_t size = 64;
    for (size_t i = 0; i < sequence->commands[at].count; i++)
        size += 64 + 4 * sequence_word(sequence, at, i).length;
    return size;
}

size_t sequence_encode(const struct sequence *sequence, size_t at, char *out) {
    struct word words[GENERATE_ARGS_MAX];
    size_t count = sequence_words(sequence, at, words);
    return words_encode(words, count, sequence->commands[at].as_inline, out);
}

/* ---- as bytes -------------------------------------------------------------------------------------------- */

static size_t quote(struct word word, char *out) {
    size_t used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < word.length; i++) {
        unsigned char byte = (unsigned char)word.bytes[i];
        if (isalnum(byte) || (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\'))
            out[used++] = (char)byte;
        else
            used += (size_t)sprintf(out + used, "\\x%02x", byte);
    }
    out[used++] = '"';
    return used;
}

static size_t quote_all(const struct word *words, size_t count, char *out) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            out[used++] = ' ';
        used += quote(words[i], out + used);
    }
    return used;
}

size_t words_encode(const struct word *words, size_t count, bool as_inline, char *out) {
    if (as_inline) {
        size_t used = quote_all(words, count, out);
        memcpy(out + used, "\r\n", 2);
        return used + 2;
    }
    size_t used = (size_t)sprintf(out, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        used += (size_t)sprintf(out + used, "$%zu\r\n", words[i].length);
        memcpy(out + used, words[i].bytes, words[i].length);
        used += words[i].length;
        memcpy(out + used, "\r\n", 2);
        used += 2;
    }
    return used;
}

char *sequence_line(const struct sequence *sequence, size_t at) {
    struct word words[GENERATE_ARGS_MAX];
    size_t count = sequence_words(sequence, at, words);
    char *line = malloc(sequence_size(sequence, at));
    line[quote_all(words, count, line)] = '\0';
    return line;
}

/* ---- as a file ------------------------------------------------------------------------------------------- */

void sequence_save(const struct sequence *sequence, const size_t *kept, size_t count, const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL)
        harness_fail("%s cannot be written", path);
    for (size_t i = 0; i < count; i++) {
        const struct sent *sent = &sequence->commands[kept[i]];
        char *line = sequence_line(sequence, kept[i]);
        char how = sent->as_inline ? 'i' : 'm';
        fprintf(file, "%d %c %s %s\n", sent->connection + 2, sent->joined ? toupper(how) : how,
                comparison_names[sent->comparison], line);
        free(line);
    }
    if (fclose(file) != 0)
        harness_fail("%s cannot be written", path);
}

/* The word at `*at`, which stands in quotes, into `out`; returns its length, -1 when it is wrong. */
static long unquote(const char **at, char *out) {
    const char *from = *at;
    long used = 0;
    if (*from++ != '"')
        return -1;
    for (; *from != '"'; from++) {
        unsigned byte;
        if (*from == '\0' || (*from == '\\' && sscanf(from, "\\x%2x", &byte) != 1))
            return -1;
        if (*from == '\\') {
            out[used++] = (char)byte;
            from += 3;
        } else {
            out[used++] = *from;
        }
    }
    *at = from + 1;
    return used;
}

static bool read_line(struct sequence *sequence, const char *line) {
    char how, name[32];
    int protocol, used = 0;
    size_t comparison = 0;
    if (sscanf(line, "%d %c %31s %n", &protocol, &how, name, &used) != 3 || protocol < 2 || protocol > 3)
        return false;
    while (comparison < COMPARISONS && strcmp(comparison_names[comparison], name) != 0)
        comparison++;
    if (comparison == COMPARISONS || !strchr("imIM", how))
        return false;
    (void)add_command(sequence, (struct sent){.connection = (unsigned char)(protocol - 2),
                                              .as_inline = tolower(how) == 'i',
                                              .joined = isupper((unsigned char)how),
                                              .comparison = (enum comparison)comparison});
    char *word = malloc(strlen(line) + 1);
    long length = 0;
    size_t count = 0;
    for (const char *at = line + used; length >= 0 && *at == '"' && count < GENERATE_ARGS_MAX; count++) {
        length = unquote(&at, word);
        if (length >= 0)
            add_word(sequence, word, (size_t)length);
        at += *at == ' ';
    }
    free(word);
    return length >= 0 && count > 0;
}

void sequence_load(struct sequence *sequence, const char *path) {
    size_t length, number = 1;
    char *text = file_read(path, &length), *rest = text;
    if (text == NULL)
        harness_fail("%s cannot be read", path);
    for (char *line; (line = strsep(&rest, "\n")) != NULL; number++)
        if (*line != '\0' && *line != '#' && !read_line(sequence, line))
            harness_fail("%s:%zu: not a command of a sequence", path, number);
    free(text);
}
