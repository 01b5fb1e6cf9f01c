#!/bin/bash
# Tools for whoever works on the seed, beside kubectl and helm.
#   TOOLS, TOOL_URLS, TOOL_SUMS, TOOL_SUM_FILES, TOOL_MEMBERS: lists of one entry a tool. ARCH in a URL is the machine's; a
#   member is the program's path in a .tar.gz, `-` for a program that is served as it is; `-` is no sum and no file of sums.
# Upstream analogue: azimuth-ops roles k9s and kustomize.

more_tools=/usr/local/share/capi-mgmt/more-tools

install_tool() {
  local index=$1 arch url name sum member part list
  arch=$(architecture)
  name=${TOOLS[index]}
  url=${TOOL_URLS[index]//ARCH/$arch}
  list=${TOOL_SUM_FILES[index]//ARCH/$arch}
  member=${TOOL_MEMBERS[index]}
  sum=$(expected_sum "${TOOL_SUMS[index]#-}" "$list" "$(basename "$url")")
  if [[ $member == - ]]; then
    fetch_verified "$url" "$sum" "/usr/local/bin/$name"
    chmod 0755 "/usr/local/bin/$name"
    return
  fi
  # As of helm: the archive is not kept, the sums of it and of the program taken from it are.
  if [[ -f $more_tools/$name && $(< "$more_tools/$name") == "$sum $(sha256sum "/usr/local/bin/$name" 2> /dev/null)" ]]; then return; fi
  part=$(mktemp -d)
  fetch_verified "$url" "$sum" "$part/archive"
  tar --extract --gzip --file "$part/archive" --directory "$part" "$member"
  install -D -m 0755 "$part/$member" "/usr/local/bin/$name"
  rm -rf "$part"
  write_file "$more_tools/$name" 0644 <<< "$sum $(sha256sum "/usr/local/bin/$name")" || true
}

# remove_tools NAME...: those that were installed by this script
remove_tools() {
  local name
  for name in "$@"; do rm -f "/usr/local/bin/$name" "$more_tools/$name"; done
}

on_create() {
  local index name had=()
  if [[ -f $more_tools/list ]]; then mapfile -t had < "$more_tools/list"; fi
  for name in "${had[@]}"; do
    if [[ " ${TOOLS[*]} " != *" $name "* ]]; then remove_tools "$name"; fi
  done
  # Before they are there: what fails half way is taken away all the same.
  printf '%s\n' "${TOOLS[@]}" | write_file "$more_tools/list" 0644 || true
  for index in "${!TOOLS[@]}"; do install_tool "$index"; done
  say "${TOOLS[*]}: installed"
  echo "${TOOLS[*]}"
}

on_delete() {
  local had=()
  if [[ -f $more_tools/list ]]; then mapfile -t had < "$more_tools/list"; fi
  remove_tools "${had[@]}"
  rm -rf "$more_tools"
}
