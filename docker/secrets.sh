#!/bin/sh
# secrets.sh FOLDER: creates random secrets for docker-compose.yml; existing ones are kept.
set -eu
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
mkdir -p "$1"
[ -e "$1/api_key" ] || random > "$1/api_key"
if [ ! -e "$1/valkey.conf" ]; then
    password=$(random)
    printf 'requirepass %s\n' "$password" > "$1/valkey.conf"
    printf 'redis://:%s@valkey:6379/0' "$password" > "$1/redis_url"
fi
# the containers' users must be able to read the files; only the owner can enter the folder
chmod 444 "$1/api_key" "$1/valkey.conf" "$1/redis_url"
