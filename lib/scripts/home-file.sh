#!/bin/bash
# A file in the home of the seed's user that only that user can read.
#   SEED_USER, FILE_NAME, CONTENT (secret)

home_file() { echo "$(getent passwd "$SEED_USER" | cut -d: -f6)/$FILE_NAME"; }

on_create() {
  local path
  path=$(home_file)
  write_file "$path" 0600 <<< "$CONTENT" || true
  chown "$SEED_USER:" "$path"
  echo "$path"
}

on_delete() { rm -f "$(home_file)"; }
