#!/bin/bash
# Runs the three nodes of conf/ on this machine until Ctrl-C: `make run`. Environment: REDRAFT the program, PORT the first port,
# FRESH=1 to start without the data that is there.
#
# The nodes have sessions of their own, so that a Ctrl-C in the terminal reaches only this script, which then stops the followers
# first and the leader last. They are told to end when this script does (pdeathsig), however it ends; and it ends when its
# terminal or the make that started it is gone (make itself, where it leads the terminal's session, gets the hang-up and keeps it
# to itself).
set -u
cd "$(dirname "$0")/.." || exit 1
. conf/cluster.sh
redraft=${REDRAFT:-build/redraft}
parent=$PPID
terminal=
[ -t 1 ] && terminal=yes
pids=(0 0 0 0)
stopping=

# ---- before the start --------------------------------------------------------------------------------------------

# Names the process that listens on port $1; fails when none does.
port_holder() {
    local hex inode link pid
    hex=$(printf '%04X' "$1")
    inode=$(awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    [ -n "$inode" ] || return 1
    for link in /proc/[0-9]*/fd/*; do
        if [ "$(readlink "$link" 2>/dev/null)" = "socket:[$inode]" ]; then
            pid=${link#/proc/} && pid=${pid%%/*}
            echo "process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-100))"
            return 0
        fi
    done
    echo "a process of another user"
}

check_ports() {
    local node holder taken=
    for node in 1 2 3; do
        if holder=$(port_holder "$(port_of $node)"); then
            echo "port $(port_of $node) is taken by $holder" >&2
            taken=yes
        fi
    done
    [ -z "$taken" ] && return
    echo "end it, or take other ports: make run PORT=9001" >&2
    exit 1
}

# Nobody may empty or use the directory of nodes that run, on whatever ports.
take_directory() {
    mkdir -p $data || exit 1
    exec 9>>$data/run.lock
    if ! flock -n 9; then
        echo "another \`make run\` uses ./$data" >&2
        exit 1
    fi
    if [ "${FRESH:-}" = 1 ]; then
        rm -rf $data/node[123] $data/node[123].log
        echo "FRESH=1: ./$data is empty now"
    fi
}

# ---- nodes -------------------------------------------------------------------------------------------------------

start_node() {
    local node members=()
    for node in 1 2 3; do
        members+=(--raft-node $node "127.0.0.1:$(port_of $node)")
    done
    setsid setpriv --pdeathsig TERM "$redraft" conf/node"$1".conf --port "$(port_of "$1")" "${members[@]}" \
        --dir ./$data/node"$1" --logfile ./$data/node"$1".log </dev/null >>$data/node"$1".log 2>&1 9>&- &
    pids[$1]=$!
}

running() { [ "${pids[$1]}" -ne 0 ] && kill -0 "${pids[$1]}" 2>/dev/null; }

# Ends node $1 gracefully: it gets ten seconds.
stop_node() {
    local pid=${pids[$1]} tries=0
    running "$1" || return
    kill -TERM "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    if kill -KILL "$pid" 2>/dev/null; then
        echo "  node $1 did not end within 10 s: killed; its log is ./$data/node$1.log"
    else
        echo "  node $1 has ended"
    fi
    wait "$pid" 2>/dev/null
    pids[$1]=0
}

# Followers first: the leader then sees them go, and no election begins among nodes that are about to end.
stop_all() {
    local leader node
    trap '' INT TERM HUP
    [ -n "$stopping" ] && return
    stopping=yes
    leader=$(find_leader)
    leader=${leader%% *}
    echo
    if [ -n "$leader" ]; then echo "stopping the followers, then node $leader, the leader"; else echo "stopping"; fi
    for node in 1 2 3; do
        [ "$node" != "$leader" ] && stop_node $node
    done
    [ -n "$leader" ] && stop_node "$leader"
    echo "stopped; the data is kept in ./$data (FRESH=1 starts empty)"
}

give_up() {
    local node
    echo "$1" >&2
    for node in 1 2 3; do
        echo "---- the end of ./$data/node$node.log" >&2
        tail -n 5 $data/node$node.log >&2
    done
    stop_all >&2
    exit 1
}

# Waits up to $1 ms until all nodes that run follow the same leader: sets leader and term. Fails at once when they are too few.
await_leader() {
    local deadline=$(($(now_ms) + $1)) node agreed alive
    while :; do
        read -r leader term <<<"$(find_leader)"
        agreed=yes
        alive=0
        for node in 1 2 3; do
            running $node || continue
            alive=$((alive + 1))
            [ -n "$leader" ] && [ "$(info_of $node | field leader_id)" = "$leader" ] || agreed=
        done
        [ -n "$agreed" ] && [ -n "$leader" ] && return 0
        [ $alive -lt 2 ] || [ "$(now_ms)" -gt $deadline ] && return 1
        sleep 0.02
    done
}

# ---- the screen --------------------------------------------------------------------------------------------------

show() {
    local node role
    echo
    echo "node $leader leads in term $term, $1 ms after the start"
    echo
    for node in 1 2 3; do
        if [ "$node" = "$leader" ]; then role=leader; else role=follower; fi
        running $node || role="not up"
        printf '  node %d  127.0.0.1:%-6d %-9s log ./%s/node%d.log\n' $node "$(port_of $node)" "$role" $data $node
    done
    cat <<END

to write and read (-c follows the leader):
  redis-cli -c -p $(port_of 1) set greeting hello
  redis-cli -c -p $(port_of 2) get greeting
to look:
  redis-cli -p $(port_of 1) info raft
to kill the leader, in a second terminal:
  make kill-leader$([ "$first_port" -eq 7101 ] || echo " PORT=$first_port")

Ctrl-C stops the nodes and keeps ./$data
END
}

# Node $1 has ended by itself, with code $2: says so, and starts it again when it was killed.
node_ended() {
    local since
    since=$(now_ms)
    pids[$1]=0
    if [ "$2" -ne 137 ]; then
        echo "node $1 ended with code $2: see the end of ./$data/node$1.log; it is not started again"
        return
    fi
    echo "node $1 was killed"
    if await_leader 10000; then
        echo "node $leader leads in term $term, seen $(($(now_ms) - since)) ms later"
    else
        echo "there is no leader now: see ./$data/node*.log"
    fi
    sleep 3
    [ -n "$stopping" ] && return
    start_node "$1"
    echo "node $1 is started again and catches up"
}

abandoned() {
    [ -n "$terminal" ] && [ ! -t 1 ] && return
    ! kill -0 "$parent" 2>/dev/null
}

# Until a signal or the end of all nodes, or of whoever started this.
watch_nodes() {
    local node
    until [ -n "$stopping" ] || abandoned; do
        for node in 1 2 3; do
            [ "${pids[$node]}" -eq 0 ] && continue
            running $node && continue
            wait "${pids[$node]}"
            node_ended $node $?
        done
        [ $((pids[1] + pids[2] + pids[3])) -eq 0 ] && echo "no node is left" && exit 1
        sleep 0.2
    done 2>/dev/null # bash's own notices of children that were killed
}

check_ports
take_directory
trap 'stop_all; exit 0' INT TERM HUP
trap stop_all EXIT
begun=$(now_ms)
echo "starting three nodes on 127.0.0.1:$(port_of 1)-$(port_of 3)"
for node in 1 2 3; do start_node $node; done
await_leader 20000 || give_up "no leader after $(($(now_ms) - begun)) ms"
show $(($(now_ms) - begun))
watch_nodes
