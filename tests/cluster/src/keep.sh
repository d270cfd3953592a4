# Keeps a PostgreSQL cluster for as long as standard input is open: it ends with
# whoever started it, however that ended.  Its arguments: the folder of
# PostgreSQL's programs, a port that is free, and the settings that are its
# own.  Says `ready` and its process.
set -e
programs=$1
port=$2
settings=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/concord-postgres.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap '' INT TERM HUP
cd /
"$programs/initdb" --pgdata="$folder/data" --username=admin --auth=trust \
    --encoding=UTF8 --no-locale --no-sync >"$folder/initdb.log" 2>&1 || {
    cat "$folder/initdb.log" >&2
    exit 1
}
cat >>"$folder/data/postgresql.conf" <<CONFIGURATION
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
log_min_messages = fatal
$settings
CONFIGURATION
"$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/server.log" --wait --silent start || {
    cat "$folder/server.log" >&2
    exit 1
}
echo "ready $(head -n 1 "$folder/data/postmaster.pid")"
# A line is a word for pg_ctl, and is answered when it is done.
while read -r word; do
    case $word in
    stop) "$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --silent stop ;;
    start) "$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/server.log" --wait --silent start ;;
    esac
    echo "$word"
done
"$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --silent stop
