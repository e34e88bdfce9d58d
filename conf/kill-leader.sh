#!/bin/bash
# Kills -9 the leader among the nodes that `make run` started, and says who leads next. Environment: PORT as for run.sh.
set -u
cd "$(dirname "$0")/.." || exit 1
. conf/cluster.sh

read -r leader term <<<"$(find_leader)"
if [ -z "$leader" ]; then
    echo "nobody leads on 127.0.0.1:$(port_of 1)-$(port_of 3): is \`make run\` running there?" >&2
    exit 1
fi
pid=$(redis-cli -p "$(port_of "$leader")" INFO server | tr -d '\r' | field process_id)
if [ -z "$pid" ] || ! kill -KILL "$pid"; then
    echo "node $leader leads, but its process ($pid) cannot be killed" >&2
    exit 1
fi
since=$(now_ms)
echo "killed node $leader, leader of term $term (process $pid)"

while [ $(($(now_ms) - since)) -lt 10000 ]; do
    read -r next next_term <<<"$(find_leader)"
    if [ -n "$next" ] && [ "$next_term" -gt "$term" ]; then
        echo "node $next leads in term $next_term, $(($(now_ms) - since)) ms later"
        exit 0
    fi
    sleep 0.01
done
echo "no new leader within 10 s" >&2
exit 1
