#!/bin/sh
# Creates the namespace and its search attributes, in the Temporal that TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE name.
# Safe to repeat. The attributes are those of domain/search.py.
set -eu

RETENTION=${NAMESPACE_RETENTION:-30d}
ATTEMPTS=30

retry() {
    left=$ATTEMPTS
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then
            echo "gave up after $ATTEMPTS attempts: $*" >&2
            return 1
        fi
        sleep 2
    done
}

namespace_stands() {
    temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
        temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

# A namespace that was just created is not known to every part of the server at once, hence the second retry.
attributes_stand() {
    temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name NightlatchTicket --type Keyword &&
        temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name NightlatchSubject --type Keyword &&
        temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name NightlatchTarget --type KeywordList &&
        temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name NightlatchState --type Keyword &&
        temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name NightlatchExpiresAt --type Datetime
}

retry temporal operator cluster health
retry namespace_stands
retry attributes_stand
