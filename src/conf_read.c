/* SPDX-License-Identifier: MIT */
/*
 * Reading: files and the command line are both turned into lines of words, and each line is taken by one function, so that
 * what can be said in a file can be said in arguments.
 *
 *     redraft redis.conf --port 7000 --loglevel debug          is    the file's lines, then
 *                                                                    port "7000"
 *                                                                    loglevel "debug"
 *
 * As in redis-server, what follows an option's name is its value even if it begins with two dashes; an option and its value may be
 * one argument ("--port 7000"); a lone `-` at the end reads standard input; an include is relative to the working directory.
 */
#include "conf_table.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { INCLUDE_DEPTH_MAX = 16, SHOWN_MAX = 250 };

/* Where the line at hand comes from, for messages. */
struct source {
    struct conf *conf;
    const char *file; /* NULL: the command line; "-": standard input */
    unsigned line;
    unsigned depth; /* of includes */
    char *why;      /* char[CONF_WHY_MAX] */
};

static bool read_file(struct conf *conf, const char *path, unsigned depth, char why[CONF_WHY_MAX]);

/* ---- words ------------------------------------------------------------------------------------------------- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What a backslash stands for in double quotes; advances *at to its last character. */
static char unescape(const char **at) {
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const char *c = *at + 1;
    int high, low;
    if (c[0] == 'x' && (high = hex_digit(c[1])) >= 0 && (low = hex_digit(c[2])) >= 0) {
        *at = c + 2;
        return (char)(high * 16 + low);
    }
    *at = c;
    const char *found = strchr(from, *c);
    return found == NULL ? *c : to[found - from];
}

/* The quoted word that opens at `from`, written to *to. Returns what comes behind it, NULL when it does not close properly. */
static char *split_quoted(char *from, char **to) {
    char quote = *from;
    for (from++; *from != quote; from++) {
        const char *at = from;
        if (*from == '\0')
            return NULL;
        if (*from == '\\' && from[1] != '\0' && quote == '"') {
            char c = unescape(&at);
            if (c == '\0')
                return NULL; /* it would cut the word short: a password, say */
            *(*to)++ = c;
        } else if (*from == '\\' && from[1] == '\'' && quote == '\'')
            *(*to)++ = *++at;
        else
            *(*to)++ = *from;
        from += at - from;
    }
    from++;
    return *from == '\0' || isspace((unsigned char)*from) ? from : NULL;
}

int conf_split(char *line, char **words, int max) {
    int count = 0;
    for (char *from = line;;) {
        while (isspace((unsigned char)*from))
            from++;
        if (*from == '\0')
            return count;
        if (count == max)
            return -1;
        char *to = words[count++] = from; /* a word never grows: it is written over its quoted form */
        while (*from != '\0' && !isspace((unsigned char)*from)) {
            if (*from != '"' && *from != '\'') {
                *to++ = *from++;
                continue;
            }
            from = split_quoted(from, &to);
            if (from == NULL)
                return -1;
        }
        bool last = *from == '\0';
        *to = '\0';
        if (last)
            return count;
        from++;
    }
}

/* ---- lines ------------------------------------------------------------------------------------------------- */

static bool refuse(const struct source *source, const char *line, const char *reason) {
    char where[CONF_TEXT_MAX];
    if (source->file == NULL)
        snprintf(where, sizeof where, "Reading the command line");
    else
        snprintf(where, sizeof where, "Reading the configuration file %.400s, at line %u",
                 strcmp(source->file, "-") == 0 ? "on standard input" : source->file, source->line);
    snprintf(source->why, CONF_WHY_MAX, "%s\n>>> '%.*s'\n%.*s", where, (int)SHOWN_MAX, line, (int)SHOWN_MAX,
             reason);
    return false;
}

static bool include(const struct source *source, const char *pattern, char reason[CONF_WHY_MAX]) {
    if (source->depth == INCLUDE_DEPTH_MAX) {
        snprintf(reason, CONF_WHY_MAX, "includes are nested more than %d deep: does a file include itself?",
                 INCLUDE_DEPTH_MAX);
        return false;
    }
    if (strpbrk(pattern, "*?[") == NULL)
        return read_file(source->conf, pattern, source->depth + 1, source->why);
    glob_t found;
    bool ok = true;
    if (glob(pattern, 0, NULL, &found) != 0)
        return true; /* an empty directory of extra files is no mistake */
    for (size_t i = 0; i < found.gl_pathc && ok; i++)
        ok = read_file(source->conf, found.gl_pathv[i], source->depth + 1, source->why);
    globfree(&found);
    return ok;
}

/* The words as one text, to compare with what holds here. */
static bool says(const char *value, int count, char *const *words) {
    return value != NULL && count == 1 && strcasecmp(value, words[0]) == 0;
}

static bool take_foreign(const struct conf_foreign *row, struct conf *conf, int count, char *const *words,
                         char reason[CONF_WHY_MAX]) {
    if (says(row->value, count, words))
        return true;
    if (row->refused) {
        snprintf(reason, CONF_WHY_MAX, "'%s' is not supported: %s", row->name, row->reason);
        return false;
    }
    uint16_t index = (uint16_t)(row - conf_foreign);
    for (size_t i = 0; i < conf->ignored_count; i++)
        if (conf->ignored[i] == index)
            return true;
    assert(conf->ignored_count < CONF_IGNORED_MAX);
    conf->ignored[conf->ignored_count++] = index;
    return true;
}

/* Takes a line of words. False with the reason; a reason that is left empty: source->why says it all already. */
static bool take_words(const struct source *source, int count, char **words, char reason[CONF_WHY_MAX]) {
    const struct conf_directive *row = conf_find(words[0]);
    const struct conf_foreign *foreign = conf_find_foreign(words[0]);
    if (row != NULL)
        return conf_value_set(row, source->conf, count - 1, words + 1, reason);
    if (foreign != NULL)
        return take_foreign(foreign, source->conf, count - 1, words + 1, reason);
    if (strcasecmp(words[0], "include") == 0 && count == 2)
        return include(source, words[1], reason);
    snprintf(reason, CONF_WHY_MAX, "Bad directive or wrong number of arguments");
    return false;
}

static bool take_line(const struct source *source, const char *line) {
    char *words[CONF_ARGS_MAX], reason[CONF_WHY_MAX] = "";
    char *copy = strdup(line);
    if (copy == NULL)
        abort();
    int count = conf_split(copy, words, CONF_ARGS_MAX);
    bool ok = count == 0;
    if (count < 0)
        snprintf(reason, sizeof reason, "Unbalanced quotes in configuration line");
    else if (count > 0)
        ok = take_words(source, count, words, reason);
    free(copy);
    return ok || (reason[0] == '\0' ? false : refuse(source, line, reason));
}

/* ---- files ------------------------------------------------------------------------------------------------- */

/* Cuts blanks at both ends, in place. */
static char *trim(char *line, size_t length) {
    while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL)
        length--;
    line[length] = '\0';
    return line + strspn(line, " \t\r\n");
}

static bool read_lines(FILE *stream, struct source *source) {
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    bool ok = true;
    while (ok && (length = getline(&line, &room, stream)) >= 0) {
        source->line++;
        if (strlen(line) != (size_t)length) {
            ok = refuse(source, line, "the line holds a zero byte: this is no text file");
            break;
        }
        const char *text = trim(line, (size_t)length);
        if (text[0] != '\0' && text[0] != '#')
            ok = take_line(source, text);
    }
    free(line);
    return ok;
}

static bool read_file(struct conf *conf, const char *path, unsigned depth, char why[CONF_WHY_MAX]) {
    bool standard = strcmp(path, "-") == 0 && depth == 0;
    FILE *stream = standard ? stdin : fopen(path, "re");
    if (stream == NULL) {
        snprintf(why, CONF_WHY_MAX, "can't open config file '%.400s': %s", path, strerror(errno));
        return false;
    }
    struct source source = {.conf = conf, .file = path, .depth = depth, .why = why};
    errno = 0;
    bool ok = read_lines(stream, &source);
    if (ok && ferror(stream)) {
        snprintf(why, CONF_WHY_MAX, "can't read config file '%.400s': %s", path, strerror(errno));
        ok = false;
    }
    if (!standard)
        fclose(stream);
    return ok;
}

bool conf_read_file(struct conf *conf, const char *path, char why[CONF_WHY_MAX]) {
    return read_file(conf, path, 0, why);
}

/* ---- the command line -------------------------------------------------------------------------------------- */

/* Writes ` "word"` with what is special escaped: the reverse of conf_split. */
static void append_quoted(FILE *line, const char *word) {
    fputs(" \"", line);
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\\')
            fprintf(line, "\\%c", *word);
        else if (isprint((unsigned char)*word))
            fputc(*word, line);
        else
            fprintf(line, "\\x%02x", (unsigned char)*word);
    }
    fputc('"', line);
}

static bool is_option(const char *argument) {
    return argument[0] == '-' && argument[1] == '-';
}

/* One line from the option at *at and the values behind it; *at goes on to the next option. */
static char *gather_line(int argc, char *const *argv, int *at) {
    char *line = NULL;
    size_t length;
    FILE *out = open_memstream(&line, &length);
    if (out == NULL)
        abort();
    const char *option = argv[(*at)++] + 2;
    fputs(option, out);
    bool bare = strpbrk(option, " \t") == NULL;
    for (; *at < argc && (bare || !is_option(argv[*at])); (*at)++) {
        if (strcmp(argv[*at], "-") == 0 && *at == argc - 1)
            break;
        append_quoted(out, argv[*at]);
        bare = false;
    }
    if (fclose(out) != 0)
        abort();
    return line;
}

static bool sets(const char *line, const char *name) {
    size_t length = strlen(name);
    return strncasecmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == '\0');
}

bool conf_read_arguments(struct conf *conf, int argc, char *const *argv, char why[CONF_WHY_MAX]) {
    struct source source = {.conf = conf, .why = why};
    bool members = false, joins = false; /* the first line of a kind replaces the file's */
    for (int at = 0; at < argc;) {
        if (strcmp(argv[at], "-") == 0 && at == argc - 1)
            return read_file(conf, "-", 0, why);
        if (!is_option(argv[at]))
            return refuse(&source, argv[at], "expected --directive");
        char *line = gather_line(argc, argv, &at);
        if (!members && sets(line, "raft-node")) {
            members = true;
            conf->node_count = 0;
        }
        if (!joins && sets(line, "raft-join")) {
            joins = true;
            conf->join_count = 0;
        }
        bool ok = take_line(&source, line);
        free(line);
        if (!ok)
            return false;
    }
    return true;
}
