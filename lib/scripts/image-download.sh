#!/bin/bash
# Runs on the runner, not on the seed: a verified copy of URL in FOLDER, whose path is printed. It is the same on every
# runner, because the path is what tells an engine that an image has changed.
#   URL, SUM_PROGRAM (sha256sum or sha512sum), SUM, FOLDER, PROXY (a shell file, may be empty)
set -euo pipefail
file=$FOLDER/$SUM
mkdir -p "$FOLDER"
# For every user of this machine; what one has put there no other may exchange.
chmod 1777 "$FOLDER" 2> /dev/null || true
sum_of() { "$SUM_PROGRAM" < "$1" | cut -d ' ' -f 1; }
if [[ -e $file && ! -O $file ]]; then
  echo "error: $file belongs to another user, who could change it: remove it" >&2
  exit 1
fi
if [[ ! -f $file || $(sum_of "$file") != "$SUM" ]]; then
  part=$(mktemp "$file.XXXXXX")
  trap 'rm -f "$part"' EXIT
  (
    set -a
    eval "$PROXY"
    curl --fail --silent --show-error --location --retry 3 --output "$part" "$URL" < /dev/null
  )
  got=$(sum_of "$part")
  if [[ $got != "$SUM" ]]; then
    echo "error: $URL has checksum $got, expected $SUM" >&2
    exit 1
  fi
  mv -f "$part" "$file"
fi
printf '%s\n' "$file"
