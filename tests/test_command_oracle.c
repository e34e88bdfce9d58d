/* SPDX-License-Identifier: MIT */
/*
 * The session's commands beside a real redis-server: the same commands to both, and the replies compared byte for byte, in RESP2
 * and RESP3. Skipped, visibly, where there is no redis-server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session_world.h"

static const char marker[] = "*2\r\n$4\r\nECHO\r\n$6\r\nmarker\r\n";
static const char marker_reply[] = "$6\r\nmarker\r\n";

struct oracle {
    pid_t pid; /* 0: not running */
    int fd;
    unsigned port;
    char directory[64];
    struct resp_buf reply;
};

/* [0] plain, [1] with cluster-enabled */
static struct oracle oracles[2];

/* ---- the real server --- */

static int dial(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 200; tries++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        usleep(25000);
    }
    close(fd);
    return -1;
}

static unsigned free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void run_server(const struct oracle *oracle, const char *cluster) {
    char port[16], bus[16];
    int null = open("/dev/null", O_RDWR);

    snprintf(port, sizeof port, "%u", oracle->port);
    snprintf(bus, sizeof bus, "%u", oracle->port > 40000 ? oracle->port - 10000 : oracle->port + 10000);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    if (chdir(oracle->directory) == 0)
        execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
               "--cluster-enabled", cluster, "--cluster-port", bus, (char *)NULL);
    _exit(127);
}

static void oracle_start(struct oracle *oracle, const char *cluster) {
    strcpy(oracle->directory, "/tmp/redraft-oracle-XXXXXX");
    assert_non_null(mkdtemp(oracle->directory));
    oracle->port = free_port();
    oracle->pid = fork();
    assert_true(oracle->pid >= 0);
    if (oracle->pid == 0)
        run_server(oracle, cluster);
    oracle->fd = dial(oracle->port);
    assert_true(oracle->fd >= 0);
}

static void oracle_stop(struct oracle *oracle) {
    char path[128];

    if (!oracle->pid)
        return;
    close(oracle->fd);
    kill(oracle->pid, SIGKILL);
    waitpid(oracle->pid, NULL, 0);
    snprintf(path, sizeof path, "%s/nodes.conf", oracle->directory);
    unlink(path);
    rmdir(oracle->directory);
    resp_buf_close(&oracle->reply);
    *oracle = (struct oracle){0};
}

static bool server_there(void) {
    return system(
               "command -v redis-server >/dev/null 2>&1 && redis-server --version | grep -q 'v=7\\.0\\.'") ==
           0;
}

/* Everything that the server says before the marker that follows the command. */
static const char *oracle_ask(struct oracle *oracle, const char *command, size_t *length) {
    struct resp_arg args[WORLD_ARGS_MAX];
    struct resp_buf request = {0};
    char *line = strdup(command);
    size_t count = world_split(line, args);

    resp_request(&request, count);
    for (size_t i = 0; i < count; i++)
        resp_request_bulk(&request, args[i].bytes, args[i].length);
    resp_buf_append(&request, marker, sizeof marker - 1);
    ssize_t sent = write(oracle->fd, resp_buf_bytes(&request), resp_buf_length(&request));
    assert_int_equal(sent, resp_buf_length(&request));
    resp_buf_close(&request);
    free(line);
    resp_buf_consume(&oracle->reply, resp_buf_length(&oracle->reply), 1 << 20);
    for (;;) {
        char *at = resp_buf_reserve(&oracle->reply, 65536);
        ssize_t got = read(oracle->fd, at, 65535);
        assert_true(got > 0);
        resp_buf_commit(&oracle->reply, (size_t)got);
        size_t have = resp_buf_length(&oracle->reply), tail = sizeof marker_reply - 1;
        const char *bytes = resp_buf_bytes(&oracle->reply);
        if (have < tail || memcmp(bytes + have - tail, marker_reply, tail) != 0)
            continue;
        *length = have - tail;
        resp_buf_truncate(&oracle->reply, *length);
        *resp_buf_reserve(&oracle->reply, 1) = '\0';
        return resp_buf_bytes(&oracle->reply);
    }
}

/* ---- comparing --- */

static void assert_same(struct world *world, struct oracle *oracle, const char *command) {
    size_t ours_length, theirs_length;
    const char *theirs = oracle_ask(oracle, command, &theirs_length);
    const char *ours = world_ask(world, command, &ours_length);

    if (ours_length != theirs_length || memcmp(ours, theirs, ours_length) != 0)
        fail_msg("%s\nredis:   %s\nredraft: %s", command, theirs, ours);
}

static const char *connection_script[] = {
    "PING",
    "PING a",
    "PING a b",
    "PING \"\"",
    "ECHO",
    "ECHO a",
    "SELECT",
    "SELECT 1",
    "SELECT 16",
    "SELECT -1",
    "SELECT abc",
    "SELECT 99999999999",
    "SELECT 01",
    "SELECT 0",
    "AUTH",
    "AUTH x",
    "AUTH default x",
    "AUTH foo x",
    "AUTH a b c",
    "RESET a",
    "HELLO abc",
    "HELLO 4",
    "HELLO 1",
    "HELLO 99999999999999999999",
    "HELLO 3 AUTH a",
    "HELLO 2 AUTH foo x",
    "HELLO 2 SETNAME",
    "HELLO 2 FOO",
    "HELLO 2 SETNAME \"a b\"",
    "CLIENT",
    "CLIENT FOO",
    "CLIENT ID x",
    "CLIENT GETNAME",
    "CLIENT SETNAME foo",
    "CLIENT GETNAME",
    "CLIENT SETNAME \"a b\"",
    "CLIENT GETNAME",
    "CLIENT SETNAME \"\"",
    "CLIENT GETNAME",
    "CLIENT REPLY FOO",
    "CLIENT REPLY ON",
    "CLIENT NO-EVICT FOO",
    "CLIENT NO-EVICT ON",
    "CLIENT NO-EVICT OFF",
    "CLIENT LIST TYPE foo",
    "CLIENT LIST TYPE master",
    "CLIENT LIST TYPE pubsub",
    "CLIENT LIST TYPE",
    "CLIENT LIST ID",
    "CLIENT LIST ID 99999",
    "CLIENT LIST ID abc",
    "CLIENT LIST ID 0",
    "CLIENT LIST ID -1",
    "CLIENT LIST TYPE normal ID 1",
    "CLIENT LIST ID 999 TYPE normal",
    "CLIENT LIST FOO",
    "CLIENT LIST FOO BAR",
    "CLIENT KILL",
    "CLIENT KILL foo",
    "CLIENT KILL ID abc",
    "CLIENT KILL ID 0",
    "CLIENT KILL ID -1",
    "CLIENT KILL ID 99999",
    "CLIENT KILL ID 99999 TYPE",
    "CLIENT KILL TYPE foo",
    "CLIENT KILL TYPE pubsub",
    "CLIENT KILL TYPE master",
    "CLIENT KILL ADDR 1.2.3.4:5",
    "CLIENT KILL LADDR 1.2.3.4:5",
    "CLIENT KILL USER foo",
    "CLIENT KILL SKIPME foo",
    "CLIENT KILL FOO bar",
    "CLIENT KILL ID 1 ID",
    "CLIENT UNBLOCK x",
    "CLIENT UNBLOCK 99999",
    "CLIENT UNBLOCK 99999 TIMEOUT",
    "CLIENT UNBLOCK 99999 error",
    "CLIENT UNBLOCK 99999 FOO",
    "CLIENT UNBLOCK x FOO",
    "CLIENT UNBLOCK 1 ERROR 2",
    "CLIENT UNBLOCK",
    "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
    "CLIENT HELP x",
    "SHUTDOWN FOO",
    "SHUTDOWN ABORT",
    "SHUTDOWN SAVE NOSAVE",
    "SHUTDOWN ABORT NOW",
    "SHUTDOWN NOSAVE ABORT",
    "INFO nosuch",
    "INFO modules",
    "RESET",
};

static const char *server_script[] = {
    "CONFIG GET",
    "CONFIG GET nosuch",
    "CONFIG GET databases",
    "CONFIG GET databas? nosuch",
    "CONFIG SET port",
    "CONFIG SET timeout abc",
    "CONFIG SET timeout 10",
    "CONFIG GET timeout",
    "CONFIG SET timeout 0 nosuch 1",
    "CONFIG SET timeout 5 maxclients abc",
    "CONFIG GET timeout",
    "CONFIG SET timeout 0 timeout 1",
    "CONFIG SET databases 3",
    "CONFIG SET timeout 7 databases 3",
    "CONFIG SET timeout abc databases 3",
    "CONFIG SET NoSuch 1",
    "CONFIG GET timeout",
    "CONFIG SET timeout 0 maxclients",
    "CONFIG SET TIMEOUT 3",

    "CONFIG SET timeout 0",
    "CONFIG RESETSTAT",
    "CONFIG FOO",
    "CONFIG",
    "COMMAND COUNT x",
    "COMMAND FOO",
    "COMMAND LIST x",
    "COMMAND LIST FILTERBY ACLCAT",
    "COMMAND LIST FILTERBY FOO x",
    "COMMAND LIST FOO MODULE x",
    "COMMAND LIST FILTERBY MODULE x",
    "COMMAND LIST FILTERBY ACLCAT nosuch",
    "COMMAND LIST FILTERBY ACLCAT @read",
    "COMMAND LIST FILTERBY PATTERN C*|ID",
    "COMMAND GETKEYS",
    "COMMAND GETKEYS get",
    "COMMAND GETKEYS xread count 1 streams a",
    "COMMAND GETKEYS xreadgroup group g c count 6 streams s",
    "COMMAND GETKEYS xreadgroup group g c streams a b 1",
    "COMMAND GETKEYS foo a",
    "COMMAND GETKEYS ping a",
    "COMMAND GETKEYS get a b",
    "COMMAND GETKEYS get a",
    "COMMAND GETKEYS mset a 1 b 2",
    "COMMAND GETKEYS mset a 1 b",
    "COMMAND GETKEYS del a b c",
    "COMMAND GETKEYS rename a b",
    "COMMAND GETKEYS set a b EX 1",
    "COMMAND GETKEYS client id",
    "COMMAND GETKEYS bitop and to a b",
    "COMMAND GETKEYS object encoding a",
    "COMMAND GETKEYS lcs a b IDX",
    "COMMAND GETKEYS copy a b DB 1",
    "COMMAND GETKEYS swapdb 0 1",
    "COMMAND GETKEYS sintercard 2 a b LIMIT 1",
    "COMMAND GETKEYS sintercard 1 a b",
    "COMMAND GETKEYS sintercard 0 a",
    "COMMAND GETKEYS sintercard 2 a",
    "COMMAND GETKEYS sintercard x a",
    "COMMAND GETKEYS sintercard 9223372036854775807 a",
    "COMMAND GETKEYS sinterstore a b c",
    "COMMAND GETKEYSANDFLAGS sintercard 2 a b",
    "COMMAND GETKEYSANDFLAGS sunionstore a b c",
    "COMMAND GETKEYSANDFLAGS smove a b c",
    "COMMAND GETKEYS lmpop 2 a b left",
    "COMMAND GETKEYS lmpop 3 a b left",
    "COMMAND GETKEYS lmpop 4 a b left",
    "COMMAND GETKEYS lmpop 0 a left",
    "COMMAND GETKEYS lmpop x a left",
    "COMMAND GETKEYS sort a by store get store",
    "COMMAND GETKEYS sort a limit 0 1 store b store c",
    "COMMAND GETKEYS sort_ro a by b*",
    "COMMAND GETKEYS lmove a b left right",
    "COMMAND GETKEYSANDFLAGS",
    "COMMAND GETKEYSANDFLAGS get",
    "COMMAND GETKEYSANDFLAGS foo a",
    "COMMAND GETKEYSANDFLAGS ping a",
    "COMMAND GETKEYSANDFLAGS get a b",
    "COMMAND GETKEYSANDFLAGS get a",
    "COMMAND GETKEYSANDFLAGS set a b",
    "COMMAND GETKEYSANDFLAGS set a b EX 10 get",
    "COMMAND GETKEYSANDFLAGS mset a 1 b 2",
    "COMMAND GETKEYSANDFLAGS copy a b",
    "COMMAND GETKEYSANDFLAGS rename a b",
    "COMMAND GETKEYSANDFLAGS bitop and to a b c",
    "COMMAND GETKEYSANDFLAGS bitfield a",
    "COMMAND GETKEYSANDFLAGS bitfield a GET u8 0 OVERFLOW SAT GET i8 0",
    "COMMAND GETKEYSANDFLAGS bitfield a GET u8 0 INCRBY i8 0 1",
    "COMMAND GETKEYSANDFLAGS bitfield a SET u8 0 1",
    "COMMAND GETKEYSANDFLAGS bitfield_ro a GET u8 0",
    "COMMAND GETKEYSANDFLAGS memory usage a",
    "COMMAND GETKEYSANDFLAGS lmpop 2 a b left",
    "COMMAND GETKEYSANDFLAGS sort a store b",
    "COMMAND GETKEYSANDFLAGS sort_ro a",
    "COMMAND GETKEYSANDFLAGS rpoplpush a b",
    "COMMAND GETKEYSANDFLAGS getex a PERSIST",
    "COMMAND INFO nosuch client|zz get|x",
    "CONFIG REWRITE",
    "CONFIG REWRITE x",
    "CONFIG SET slowlog-log-slower-than x",
    "CONFIG SET slowlog-log-slower-than -2",
    "CONFIG SET slowlog-log-slower-than -1",
    "CONFIG GET slowlog-log-slower-than",
    "CONFIG SET slowlog-max-len 5",
    "CONFIG GET slowlog-max-len",
    "CONFIG GET latency-monitor-threshold",
    "CONFIG SET latency-monitor-threshold 100",
    "CONFIG GET latency-monitor-threshold",
    "CONFIG SET latency-monitor-threshold 0",
    "SLOWLOG RESET",
    "SLOWLOG GET",
    "SLOWLOG GET 5",
    "SLOWLOG GET -1",
    "SLOWLOG GET -2",
    "SLOWLOG GET x",
    "SLOWLOG GET 1 2",
    "SLOWLOG LEN",
    "SLOWLOG LEN x",
    "SLOWLOG FOO",
    "SLOWLOG",
    "LATENCY LATEST",
    "LATENCY HISTORY foo",
    "LATENCY HISTORY command",
    "LATENCY HISTORY",
    "LATENCY RESET",
    "LATENCY RESET command foo",
    "LATENCY FOO",
    "MEMORY USAGE nokey",
    "MEMORY FOO",
    "MEMORY STATS x",
    "DEBUG",
    "DEBUG SLEEP 1",
    "DEBUG OBJECT x",
    "LOLWUT VERSION x",
    "LASTSAVE x",
    "OBJECT",
    "OBJECT FOO a",
    "OBJECT ENCODING",
    "foo",
    "foo a b \"c d\"",
    "foo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx "
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy z",
    "raft.xx a",
    "RAFT.MSG",
    "client|id",
    "cLient fOo",
};

static const char *cluster_script[] = {
    "CLUSTER",
    "CLUSTER FOO",
    "CLUSTER KEYSLOT",
    "CLUSTER KEYSLOT foo",
    "CLUSTER KEYSLOT {foo}x",
    "CLUSTER KEYSLOT a{}b",
    "CLUSTER KEYSLOT a{b",
    "CLUSTER KEYSLOT a{b}{c}",
    "CLUSTER KEYSLOT a{{b}}c",
    "CLUSTER KEYSLOT \"\"",
    "CLUSTER KEYSLOT {",
    "CLUSTER KEYSLOT }{a}",
    "CLUSTER KEYSLOT 123456789",
    "CLUSTER COUNTKEYSINSLOT 0",
    "CLUSTER COUNTKEYSINSLOT abc",
    "CLUSTER COUNTKEYSINSLOT -1",
    "CLUSTER COUNTKEYSINSLOT 16384",
    "CLUSTER GETKEYSINSLOT 1 abc",
    "CLUSTER GETKEYSINSLOT 1 -1",
    "CLUSTER GETKEYSINSLOT 16384 1",
    "CLUSTER GETKEYSINSLOT 1 1",
    "CLUSTER REPLICAS foo",
    "CLUSTER MEET a",
    "READONLY",
    "READWRITE",
    "ASKING",
    "READONLY x",
    "INFO cluster",
    "INFO Cluster nosuch modules",
    "SET {a}1 x",
    "SET {a}2 x",
    "SET b x",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "CLUSTER COUNTKEYSINSLOT 3300",
    "CLUSTER GETKEYSINSLOT 3300 10",
    "CLUSTER GETKEYSINSLOT 3300 0",
};

#define RUN(oracle, script) run_script(oracle, script, sizeof(script) / sizeof(script)[0])

static void run_script(struct oracle *oracle, const char **script, size_t count) {
    static const char *const protocols[] = {"HELLO 2", "HELLO 3"};

    if (!oracle->pid)
        skip();
    for (int protocol = 2; protocol <= 3; protocol++) {
        struct world world;
        size_t length;
        world_open(&world);
        oracle_ask(oracle, protocols[protocol - 2], &length);
        world.session.protocol = protocol;
        for (size_t i = 0; i < count; i++)
            assert_same(&world, oracle, script[i]);
        world_close(&world);
        oracle_ask(oracle, "FLUSHALL", &length);
    }
}

static void what_a_connection_says_of_itself_is_answered_as_redis_answers(void **state) {
    (void)state;
    RUN(&oracles[0], connection_script);
}

static void config_and_command_are_answered_as_redis_answers(void **state) {
    (void)state;
    RUN(&oracles[0], server_script);
}

static void cluster_is_answered_as_redis_answers(void **state) {
    (void)state;
    RUN(&oracles[1], cluster_script);
}

static void hello_answers_as_a_master_in_cluster_mode(void **state) {
    static const char *const hellos[] = {"HELLO", "HELLO 3",        "HELLO 3 AUTH default x SETNAME foo",
                                         "HELLO", "CLIENT GETNAME", "HELLO 2"};
    struct world world;
    size_t length;
    (void)state;

    if (!oracles[1].pid)
        skip();
    world_open(&world);
    oracle_ask(&oracles[1], "HELLO 2", &length);
    world.session.id = strtoull(oracle_ask(&oracles[1], "CLIENT ID", &length) + 1, NULL, 10);
    for (size_t i = 0; i < sizeof hellos / sizeof hellos[0]; i++)
        assert_same(&world, &oracles[1], hellos[i]);
    world_close(&world);
}

/* ---- rows of COMMAND --- */

/* Redis has other subcommands beside ours: of a container the row is compared up to them. FUNCTION FLUSH writes nothing here, for there is
 * nothing that it could forget. */
static void assert_same_row(struct world *world, struct oracle *oracle, const struct command *row) {
    char command[64];
    size_t ours_length, theirs_length;

    snprintf(command, sizeof command, "COMMAND INFO %s", row->name);
    const char *theirs = oracle_ask(oracle, command, &theirs_length);
    const char *ours = world_ask(world, command, &ours_length);
    if (theirs_length < 12 ||
        strcmp(row->name, "function|flush") == 0) /* the first: Redis 7.0 does not have it */
        return;
    size_t compared = ours_length;
    if (row->subcommands) { /* up to the count of the subcommands, which stands before the second row */
        const char *inner = strstr(strstr(ours, "*10\r\n") + 1, "*10\r\n") - 1;
        while (inner[-1] != '*')
            inner--;
        compared = (size_t)(inner - ours);
    }
    if ((!row->subcommands && ours_length != theirs_length) || memcmp(ours, theirs, compared) != 0)
        fail_msg("%s\nredis:   %s\nredraft: %s", command, theirs, ours);
}

static size_t compare_rows(struct world *world, const struct command *rows, size_t count) {
    size_t compared = 0;

    for (size_t i = 0; i < count; i++) {
        size_t subcommands = 0;
        assert_same_row(world, &oracles[1], &rows[i]);
        while (rows[i].subcommands && rows[i].subcommands[subcommands].name)
            subcommands++;
        compared += 1 + compare_rows(world, rows[i].subcommands, subcommands);
    }
    return compared;
}

static void every_row_of_command_is_that_of_redis(void **state) {
    (void)state;
    if (!oracles[1].pid)
        skip();
    for (int protocol = 2; protocol <= 3; protocol++) {
        struct world world;
        size_t length, count;
        world_open(&world);
        oracle_ask(&oracles[1], protocol == 2 ? "HELLO 2" : "HELLO 3", &length);
        world.session.protocol = protocol;
        const struct command *rows = command_table(&count);
        assert_true(compare_rows(&world, rows, count) > 80);
        world_close(&world);
    }
}

/* ---- shapes: the same fields in the same order, with other values --- */

/* The names of `name=value` fields. */
static void field_names(const char *line, char *names, size_t size) {
    size_t length = 0;

    names[0] = '\0';
    for (const char *at = line; *at && *at != '\n';) {
        size_t word = strcspn(at, " \n"), name = strcspn(at, "=");
        assert_true(length + name + 2 < size);
        memcpy(names + length, at, name);
        length += name;
        names[length++] = ' ';
        names[length] = '\0';
        at += word + (at[word] == ' ');
    }
}

static void a_line_of_client_list_has_the_fields_of_redis(void **state) {
    struct world world;
    char ours[1024], theirs[1024];
    size_t length;
    (void)state;

    if (!oracles[0].pid)
        skip();
    world_open(&world);
    oracle_ask(&oracles[0], "HELLO 2", &length);
    field_names(strchr(oracle_ask(&oracles[0], "CLIENT INFO", &length), '\n') + 1, theirs, sizeof theirs);
    field_names(strchr(world_ask(&world, "CLIENT INFO", NULL), '\n') + 1, ours, sizeof ours);
    assert_string_equal(ours, theirs);
    world_close(&world);
}

/* Every line `field:value` of theirs up to `count` has its field at the same place in ours. */
static void cluster_info_begins_with_the_fields_of_redis(void **state) {
    struct world world;
    size_t length, fields = 0;
    (void)state;

    if (!oracles[1].pid)
        skip();
    world_open(&world);
    oracle_ask(&oracles[1], "HELLO 2", &length);
    const char *theirs = strchr(oracle_ask(&oracles[1], "CLUSTER INFO", &length), '\n') + 1;
    const char *ours = strchr(world_ask(&world, "CLUSTER INFO", NULL), '\n') + 1;
    for (; strchr(theirs, ':'); fields++) {
        size_t name = strcspn(theirs, ":");
        if (strncmp(theirs, "cluster_stats_messages_", 23) != 0 || strncmp(ours, theirs, name) == 0)
            assert_memory_equal(ours, theirs, name + 1);
        theirs = strstr(theirs, "\r\n") + 2;
        ours = strstr(ours, "\r\n") + 2;
    }
    assert_true(fields >= 11);
    world_close(&world);
}

static int start_servers(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (!server_there()) {
        print_message("no redis-server 7.0 on this machine: nothing is compared\n");
        return 0;
    }
    oracle_start(&oracles[0], "no");
    oracle_start(&oracles[1], "yes");
    size_t length;
    oracle_ask(&oracles[1], "CLUSTER ADDSLOTSRANGE 0 16383", &length);
    for (int tries = 0; tries < 200 && !strstr(oracle_ask(&oracles[1], "CLUSTER INFO", &length), "state:ok");
         tries++)
        usleep(25000);
    return 0;
}

static int stop_servers(void **state) {
    (void)state;
    oracle_stop(&oracles[0]);
    oracle_stop(&oracles[1]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_connection_says_of_itself_is_answered_as_redis_answers),
        cmocka_unit_test(config_and_command_are_answered_as_redis_answers),
        cmocka_unit_test(cluster_is_answered_as_redis_answers),
        cmocka_unit_test(hello_answers_as_a_master_in_cluster_mode),
        cmocka_unit_test(every_row_of_command_is_that_of_redis),
        cmocka_unit_test(a_line_of_client_list_has_the_fields_of_redis),
        cmocka_unit_test(cluster_info_begins_with_the_fields_of_redis),
    };
    return cmocka_run_group_tests_name("command_oracle", tests, start_servers, stop_servers);
}
