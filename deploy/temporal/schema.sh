#!/bin/sh
# Creates both databases and brings their schemas up to date. Safe to repeat: each step skips what is there already.
set -eu

SQL_PASSWORD=$(cat /run/secrets/postgres_password)
export SQL_PASSWORD

update() {
    database=$1
    versions=$2
    temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u temporal --db "$database" create
    temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u temporal --db "$database" setup-schema -v 0.0
    temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u temporal --db "$database" update-schema -d "$versions"
}

update temporal /etc/temporal/schema/postgresql/v12/temporal/versioned
update temporal_visibility /etc/temporal/schema/postgresql/v12/visibility/versioned
