#!/bin/sh
# bin/node.sh FILE [ARGUMENT...]: runs a file with the Node that npm ci installed (package.json: node), whatever node is
# on PATH.
root=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -x "$root/node_modules/.bin/node" ]; then
  echo "$(basename "$1" .ts): run npm ci in $root first" >&2
  exit 1
fi
# Node keeps what it compiled, by content: half of what a command's start costs.
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
if [ -n "$cache" ]; then
  NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE-$cache/capi-mgmt/node-compile}
  export NODE_COMPILE_CACHE
fi
exec "$root/node_modules/.bin/node" --no-warnings "$@"
