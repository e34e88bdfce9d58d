#!/bin/sh
# Healthy: this node serves, or follows one that does. REDRAFT_PORT, where the port is not 6379; REDISCLI_AUTH, where there is a password.
timeout 2 redis-cli -h 127.0.0.1 -p "${REDRAFT_PORT:-6379}" RAFT.INFO | tr -d '\r' | grep -Eq '^health:(ok|degraded)$'
