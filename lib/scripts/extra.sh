#!/bin/bash
# The operator's commands of one extra, as root, told to the operator as they go.
#   EXTRA, RUN_COMMANDS, REMOVE_COMMANDS, LIMIT_SECONDS, IS_ON_CLUSTER, KUBECONFIG_FILE; cluster.sh

# run_commands TEXT: they come as a file, which no process list shows the content of
run_commands() {
  local file code=0
  file=$(mktemp)
  cat > "$file" <<< "$1"
  [[ $IS_ON_CLUSTER != true ]] || use_cluster
  # Nothing of theirs is the Command's result: that stands in the state.
  proxied timeout "$LIMIT_SECONDS" bash -euo pipefail "$file" >&2 || code=$?
  rm -f "$file"
  ((code != 124)) || fail "extra $EXTRA: its commands took more than $LIMIT_SECONDS s (setting extras.$EXTRA.commands.timeout)"
  ((code == 0)) || fail "extra $EXTRA: its commands ended with exit code $code"
}

on_create() {
  run_commands "$RUN_COMMANDS"
  echo "$EXTRA: done"
}

on_delete() { run_commands "$REMOVE_COMMANDS"; }
