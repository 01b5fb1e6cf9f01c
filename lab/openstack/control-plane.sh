#!/bin/bash
# control-plane.sh NAMESPACE DIR: runs one cluster's API server until it is asked to end, and again if it crashes.
ns=$1 dir=$2
echo $$ >"$dir/pid"
ended=
trap 'ended=1; [ -n "$child" ] && kill -TERM "$child"' TERM INT
while [ -z "$ended" ]; do
  echo "== $(date -Is) start"
  HOME=$dir nsenter --net="/run/netns/$ns" -- "$CAPI_LAB_K3S" server --lab-control-plane "$dir/spec.json" --data-dir "$dir/data" &
  child=$!
  wait "$child"; code=$?
  # a trapped signal interrupts wait: collect the real end
  while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
  echo "== $(date -Is) ended, exit code $code"
  [ -n "$ended" ] || sleep 1
done
rm -f "$dir/pid"
