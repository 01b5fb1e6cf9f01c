#!/bin/bash
# Downloads that are verified before they are used.
#   MIRROR_CA (PEM, may be empty)

mirror_ca_file=/etc/capi-mgmt/mirror-ca.pem

# mirror_ca: whether the mirror's certificates are ours to check; then they are in that file.
mirror_ca() {
  [[ -n ${MIRROR_CA:-} ]] || return
  write_file "$mirror_ca_file" 0644 <<< "$MIRROR_CA" || true
}

# helm_ca: the same as helm's arguments
helm_ca() { if mirror_ca; then echo "--ca-file $mirror_ca_file"; fi; }

# fetch URL FILE: downloads to FILE, with retries for a network that has just come up.
fetch() {
  local options=(--fail --silent --show-error --location --retry 5 --retry-delay 2 --retry-connrefused --connect-timeout 20)
  if mirror_ca; then options+=(--cacert "$mirror_ca_file"); fi
  proxied curl "${options[@]}" --output "$2" "$1" || fail "could not download $1"
}

# architecture: the machine's, by Go's name
architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) fail "no releases for machine type $(uname -m)" ;;
  esac
}

# expected_sum PINNED URL NAME: the SHA-256 to expect, either as pinned or from the release's checksum file
expected_sum() {
  local pinned=$1 url=$2 name=$3 list sum
  if [[ -n $pinned ]]; then
    echo "${pinned,,}"
    return
  fi
  list=$(mktemp)
  fetch "$url" "$list"
  # Either lines of "<sum>  <name>", or a file with the sum alone.
  sum=$(awk -v name="$name" 'NF == 1 && !only { only = $1 } { file = $2; sub(/^[*]/, "", file) } file == name { print $1; found = 1; exit }
    END { if (!found && only) print only }' "$list")
  rm -f "$list"
  [[ $sum =~ ^[0-9a-f]{64}$ ]] || fail "$url has no SHA-256 of $name"
  echo "$sum"
}

has_sum() { [[ -f $1 && $(sha256sum < "$1") == "$2  -" ]]; }

# fetch_verified URL SUM FILE: FILE has that SHA-256 afterwards; what differs is not kept.
fetch_verified() {
  local url=$1 sum=$2 file=$3 part
  if has_sum "$file" "$sum"; then return; fi
  mkdir -p "$(dirname "$file")"
  part=$(mktemp "$file.XXXXXX")
  fetch "$url" "$part"
  if ! has_sum "$part" "$sum"; then
    local got
    got=$(sha256sum < "$part")
    rm -f "$part"
    fail "$url: SHA-256 is ${got%% *}, expected $sum"
  fi
  mv -f "$part" "$file"
}
