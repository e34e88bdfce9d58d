/* SPDX-License-Identifier: MIT */
#include "figures.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct figure figures[FIGURES_MAX];
static size_t count;
static FILE *file;

void figures_open(const char *path) {
    count = 0;
    file = fopen(path, "w");
    if (!file)
        harness_fail("cannot write %s: %s", path, strerror(errno));
    fprintf(file, "fsync_delay_ms,load,connections,pipeline,value_bytes,system,round,requests_per_s,p50_ms,"
                  "p99_ms,p999_ms,max_ms,"
                  "leader_cpu_us,follower_cpu_us,leader_bytes_written\n");
}

void figures_add(const struct figure *figure) {
    const struct drive_load *load = &figure->load;
    if (count == FIGURES_MAX)
        harness_fail("more figures than there is place for");
    figures[count++] = *figure;
    fprintf(file, "%u,%s,%u,%u,%u,%s,%u,%.0f,%.3f,%.3f,%.3f,%.3f,%.2f,%.2f,%.0f\n", figure->slow_ms,
            drive_names[load->kind], load->connections, load->pipeline, load->value_bytes,
            system_names[figure->system], figure->round, figure->per_s, figure->p50_ms, figure->p99_ms,
            figure->p999_ms, figure->max_ms, figure->leader_us, figure->follower_us, figure->written);
    fflush(file);
}

void figures_close(void) {
    fclose(file);
}

static bool same_load(const struct drive_load *one, const struct drive_load *other) {
    return one->kind == other->kind && one->connections == other->connections &&
           one->pipeline == other->pipeline && one->value_bytes == other->value_bytes;
}

static int order(const void *a, const void *b) {
    const double *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

double figures_quantile(double *values, size_t found, double part) {
    qsort(values, found, sizeof *values, order);
    return found > 0 ? values[(size_t)lround(part * (double)(found - 1))] : 0;
}

double figures_median(unsigned slow_ms, const struct drive_load *load, enum system_kind system,
                      size_t field) {
    double values[FIGURES_ROUNDS_MAX];
    size_t found = 0;
    for (size_t i = 0; i < count && found < FIGURES_ROUNDS_MAX; i++)
        if (figures[i].slow_ms == slow_ms && figures[i].system == system && same_load(&figures[i].load, load))
            memcpy(&values[found++], (const char *)&figures[i] + field, sizeof(double));
    return figures_quantile(values, found, 0.5);
}

/* ---- ratios ------------------------------------------------------------------------------------------------------------ */

/* Requests per second by round; 0: it was not run. */
struct rates {
    double per_s[FIGURES_ROUNDS_MAX];
};

static double ratio_of(const struct rates *ours, const struct rates *theirs) {
    double ratios[FIGURES_ROUNDS_MAX];
    size_t found = 0;
    for (size_t round = 0; round < FIGURES_ROUNDS_MAX; round++)
        if (ours->per_s[round] > 0 && theirs->per_s[round] > 0)
            ratios[found++] = ours->per_s[round] / theirs->per_s[round];
    return figures_quantile(ratios, found, 0.5);
}

static void measured(unsigned slow_ms, const struct drive_load *load, enum system_kind system,
                     struct rates *rates) {
    *rates = (struct rates){{0}};
    for (size_t i = 0; i < count; i++)
        if (figures[i].slow_ms == slow_ms && figures[i].system == system &&
            same_load(&figures[i].load, load) && figures[i].round < FIGURES_ROUNDS_MAX)
            rates->per_s[figures[i].round] = figures[i].per_s;
}

static void recorded(const char *path, const struct drive_load *load, enum system_kind system,
                     struct rates *rates) {
    char line[512], name[32], whose[32];
    unsigned slow, connections, pipeline, bytes, round;
    double per_s;
    FILE *from = fopen(path, "r");
    *rates = (struct rates){{0}};
    while (from && fgets(line, sizeof line, from))
        if (sscanf(line, "%u,%31[^,],%u,%u,%u,%31[^,],%u,%lf", &slow, name, &connections, &pipeline, &bytes,
                   whose, &round, &per_s) == 8 &&
            slow == 0 && strcmp(name, drive_names[load->kind]) == 0 && connections == load->connections &&
            pipeline == load->pipeline && bytes == load->value_bytes &&
            strcmp(whose, system_names[system]) == 0 && round < FIGURES_ROUNDS_MAX)
            rates->per_s[round] = per_s;
    if (from)
        fclose(from);
}

double figures_ratio(unsigned slow_ms, const struct drive_load *load, enum system_kind ours,
                     enum system_kind theirs) {
    struct rates one, other;
    measured(slow_ms, load, ours, &one);
    measured(slow_ms, load, theirs, &other);
    return ratio_of(&one, &other);
}

double figures_recorded_ratio(const char *path, const struct drive_load *load, enum system_kind ours,
                              enum system_kind theirs) {
    struct rates one, other;
    recorded(path, load, ours, &one);
    recorded(path, load, theirs, &other);
    return ratio_of(&one, &other);
}

/* ---- the plot ---------------------------------------------------------------------------------------------------------- */

enum { LEFT = 190, RIGHT = 20, ROW = 16, TOP = 64, PLOT_WIDTH = 900 };
static const double least = 0.1, most = 64;

static double across(double ratio) {
    double part = log(ratio / least) / log(most / least);
    return LEFT + (PLOT_WIDTH - LEFT - RIGHT) * (part < 0 ? 0 : part > 1 ? 1 : part);
}

static void plot_bar(FILE *svg, double y, const struct drive_load *load, enum system_kind system,
                     double ratio) {
    static const char *const colours[SYSTEM_KINDS] = {[SYSTEM_ALWAYS] = "#3b6ea5",
                                                      [SYSTEM_EVERYSEC] = "#9aa7b5",
                                                      [SYSTEM_REPLICAS] = "#2f8f6b",
                                                      [SYSTEM_ETCD] = "#b5652f",
                                                      [SYSTEM_BARE] = "#6b5b95"};
    double one = across(1), end = across(ratio);
    fprintf(svg,
            "<text x='%d' y='%.0f' text-anchor='end'>%s %u&#215;%u, %u B</text><rect x='%.1f' y='%.0f' "
            "width='%.1f' height='11' "
            "fill='%s'/><text x='%.1f' y='%.0f'>%.2f</text>\n",
            LEFT - 8, y + 10, drive_names[load->kind], load->connections, load->pipeline, load->value_bytes,
            end < one ? end : one, y, fabs(end - one) + 0.5, colours[system], (end > one ? end : one) + 4,
            y + 10, ratio);
}

static bool first_of(size_t i) {
    for (size_t before = 0; before < i; before++)
        if (figures[before].system == figures[i].system && figures[before].slow_ms == figures[i].slow_ms &&
            same_load(&figures[before].load, &figures[i].load))
            return false;
    return figures[i].slow_ms == 0 && figures[i].system != SYSTEM_REDRAFT &&
           figures[i].system != SYSTEM_REDRAFT_LEASE;
}

static size_t plot_system(FILE *svg, enum system_kind system, size_t row) {
    bool named = false;
    for (size_t i = 0; i < count; i++) {
        double ratio = figures_ratio(0, &figures[i].load, SYSTEM_REDRAFT, system);
        if (figures[i].system != system || !first_of(i) || ratio == 0)
            continue;
        if (!named)
            fprintf(svg, "<text x='%d' y='%zu' font-weight='bold'>to %s</text>\n", LEFT,
                    TOP + ROW * ++row - 4, system_names[system]);
        named = true;
        plot_bar(svg, (double)(TOP + ROW * row++), &figures[i].load, system, ratio);
    }
    return row;
}

void figures_plot(const char *path, const char *title) {
    size_t rows = 2 * SYSTEM_KINDS, row = 0;
    for (size_t i = 0; i < count; i++)
        rows += first_of(i);
    FILE *svg = fopen(path, "w");
    if (!svg)
        harness_fail("cannot write %s: %s", path, strerror(errno));
    fprintf(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%zu' font-family='sans-serif' "
        "font-size='11'>\n"
        "<rect width='100%%' height='100%%' fill='white'/><text x='12' y='20' font-size='14'>Requests "
        "per second, three "
        "redraft nodes, as a ratio to each peer and to the yardstick</text><text x='12' y='36'>%s</text>\n",
        PLOT_WIDTH, TOP + ROW * rows, title);
    for (double line = 0.125; line <= 64; line *= 2)
        fprintf(svg,
                "<line x1='%.1f' x2='%.1f' y1='%d' y2='%zu' stroke='%s'/><text x='%.1f' y='%d' "
                "fill='#777'>%g</text>\n",
                across(line), across(line), TOP - 8, TOP + ROW * rows, line == 1 ? "#444" : "#ddd",
                across(line) - 4, TOP - 12, line);
    for (enum system_kind system = 0; system < SYSTEM_KINDS; system++)
        row = plot_system(svg, system, row);
    fprintf(svg, "</svg>\n");
    fclose(svg);
}
