# Keeps a PostgreSQL cluster for as long as standard input is open: it ends with
# whoever started it, however that ended.  Its arguments: the folder of
# PostgreSQL's programs, and a port that is free.
set -e
programs=$1
port=$2
folder=$(mktemp -d "${TMPDIR:-/tmp}/concord-postgres.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap '' INT TERM HUP
cd /
"$programs/initdb" --pgdata="$folder/data" --username=admin --auth=trust \
    --encoding=UTF8 --no-locale --no-sync >"$folder/initdb.log" 2>&1 || {
    cat "$folder/initdb.log" >&2
    exit 1
}
# What a test writes need not survive a power cut.
cat >>"$folder/data/postgresql.conf" <<CONFIGURATION
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 400
shared_buffers = 64MB
fsync = off
full_page_writes = off
autovacuum_naptime = 10s
log_min_messages = fatal
CONFIGURATION
"$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/server.log" --wait --silent start || {
    cat "$folder/server.log" >&2
    exit 1
}
echo ready
# A line is a word for pg_ctl, and is answered when it is done.
while read -r word; do
    case $word in
    stop) "$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --silent stop ;;
    start) "$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/server.log" --wait --silent start ;;
    esac
    echo "$word"
done
"$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --silent stop
