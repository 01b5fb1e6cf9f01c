#!/bin/sh
# bin/node.sh FILE [ARGUMENT...]: runs a file with the Node that npm ci installed (package.json: node), whatever node is
# on PATH.
root=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -x "$root/node_modules/.bin/node" ]; then
  echo "$(basename "$1" .ts): run npm ci in $root first" >&2
  exit 1
fi
exec "$root/node_modules/.bin/node" --no-warnings "$@"
