#!/bin/sh
# Exits 0 when this container does its work.
#   healthy.sh worker QUEUE...   Temporal has seen this very process poll each queue (names as in worker.py --queues)
#   healthy.sh bridge            the bridge answers
set -eu

role=$1
shift
case $role in
worker)
    for queue in "$@"; do
        # A poller's identity is <pid>@<host>. Only pollers of the last minutes are listed.
        temporal task-queue describe --task-queue "${NIGHTLATCH_QUEUE_PREFIX:-nightlatch-}$queue" \
            --task-queue-type workflow --task-queue-type activity --command-timeout 5s 2>/dev/null |
            grep -q "@$(uname -n)\b" || {
            echo "no poller of this host on the queue $queue" >&2
            exit 1
        }
    done
    ;;
bridge)
    python -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' \
        "http://127.0.0.1:${NIGHTLATCH_BRIDGE__PORT:-8787}/healthz"
    ;;
*)
    echo "healthy.sh: $role is neither worker nor bridge" >&2
    exit 2
    ;;
esac
