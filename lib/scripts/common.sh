#!/bin/bash
# What every script on the seed can rely on. Runs as root by `sudo bash -s -- create|update|delete`; the file that
# comes last defines on_create, on_update and on_delete, each of which can be repeated at any point.
#
# Standard output is the result (it becomes the Command's stdout), standard error tells the operator what happens.
set -euo pipefail
umask 022
export LC_ALL=C

say() { printf '%s\n' "$*" >&2; }

# Exit code of what has been told.
told=70

fail() {
  printf 'error: %s\n' "$*" >&2
  exit "$told"
}

# Whatever else ends the script is told too; the command as it is written here, so without what variables hold.
set -E
trap '(($? == told)) || say "error: failed: $BASH_COMMAND"' ERR

on_update() { on_create; }
on_delete() { :; }

proxy_file=/etc/capi-mgmt/proxy

# proxied COMMAND…: by the site's proxy, if it has one; only what goes outside asks it
proxied() (
  # shellcheck source=/dev/null
  [[ ! -f $proxy_file ]] || { set -a && . "$proxy_file" && set +a; }
  "$@"
)

# deadline SECONDS: a moment for before()
deadline() { echo $(($(date +%s) + $1)); }

before() { (($(date +%s) < $1)); }

# write_file PATH MODE < CONTENT: replaces PATH as a whole and only if it differs; succeeds if it changed.
write_file() {
  local path=$1 mode=$2 new
  # Each step is checked by hand: bash ignores errors in a function whose success is being asked for.
  mkdir -p "$(dirname "$path")" || fail "cannot write $path"
  # shellcheck disable=SC2015 # any of the three that fails is a failure
  new=$(mktemp "$path.XXXXXX") && chmod "$mode" "$new" && cat > "$new" || fail "cannot write $path"
  if cmp -s "$new" "$path"; then
    rm -f "$new"
    chmod "$mode" "$path"
    return 1
  fi
  mv -f "$new" "$path" || fail "cannot write $path"
}
