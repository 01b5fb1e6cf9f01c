#!/bin/bash
# Runs on the runner, not on the seed: a verified copy of URL in the user's cache, whose path is printed.
#   URL, SUM_PROGRAM (sha256sum or sha512sum), SUM
set -euo pipefail
folder=${XDG_CACHE_HOME:-$HOME/.cache}/capi-mgmt/images
file=$folder/$SUM
mkdir -p "$folder"
sum_of() { "$SUM_PROGRAM" < "$1" | cut -d ' ' -f 1; }
if [[ ! -f $file || $(sum_of "$file") != "$SUM" ]]; then
  part=$(mktemp "$file.XXXXXX")
  trap 'rm -f "$part"' EXIT
  curl --fail --silent --show-error --location --retry 3 --output "$part" "$URL" < /dev/null
  got=$(sum_of "$part")
  if [[ $got != "$SUM" ]]; then
    echo "error: $URL has checksum $got, expected $SUM" >&2
    exit 1
  fi
  mv -f "$part" "$file"
fi
printf '%s\n' "$file"
