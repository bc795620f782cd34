#!/bin/sh
# Starts the Temporal server. Its image takes the database password from the environment only; here it comes from a secret file.
set -eu

POSTGRES_PWD=$(cat /run/secrets/postgres_password)
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
