#!/bin/bash
# Before a CRD loses a version: rewrites what is stored in it. The API server refuses the new CRD otherwise, also
# when no such object exists any more (CAPO #2863). Upstream analogue: azimuth-ops asks for one version only and never
# finds it.

# manifest_versions FILE: "<crd> <version>…" for each CRD in FILE
manifest_versions() {
  kubectl create --dry-run=client --validate=false --filename "$1" \
    --output 'jsonpath={.kind} {.metadata.name} {.spec.versions[*].name}{"\n"}' | sed -n 's/^CustomResourceDefinition //p'
}

has_word() { [[ " $2 " == *" $1 "* ]]; }

# rewrite_objects CRD: every object is stored anew, in the version that the CRD stores now
rewrite_objects() {
  local crd=$1 objects try
  objects=$(mktemp)
  for try in 1 2 3 4 5; do
    kubectl get "$crd" --all-namespaces --output json > "$objects"
    if grep -q '"items": \[\]' "$objects"; then break; fi
    # A controller may write in between: its change wins and the rewrite is tried again.
    if kubectl replace --filename "$objects" > /dev/null; then break; fi
    ((try < 5)) || fail "could not rewrite the objects of $crd"
    sleep 2
  done
  rm -f "$objects"
}

# touches_crds FILE: whether FILE holds a CRD that the cluster has already. A first installation has none, and is
# spared the reading of a manifest of megabytes.
touches_crds() {
  local crds
  crds=$(kubectl get crd --output 'jsonpath={range .items[*]}  name: {.metadata.name}{"\n"}{end}')
  [[ -n $crds ]] && grep --quiet --line-regexp --fixed-strings --file <(printf '%s\n' "$crds") "$1"
}

migrate_stored_versions() {
  local crd new_versions stored storage version keep list
  touches_crds "$1" || return 0
  manifest_versions "$1" | while read -r crd new_versions; do
    stored=$(kubectl get crd "$crd" --ignore-not-found --output 'jsonpath={.status.storedVersions[*]}')
    list=
    for version in $stored; do
      has_word "$version" "$new_versions" || list+=" $version"
    done
    [[ -n $list ]] || continue
    storage=$(kubectl get crd "$crd" --output 'jsonpath={.spec.versions[?(@.storage==true)].name}')
    has_word "$storage" "$new_versions" ||
      fail "$crd is stored in $storage, which this release no longer has: upgrade to a release that has both $storage and a later version first"
    say "rewriting the objects of $crd, which may be stored in$list"
    rewrite_objects "$crd"
    keep="\"$storage\""
    kubectl patch crd "$crd" --subresource=status --type=merge --patch "{\"status\":{\"storedVersions\":[$keep]}}" > /dev/null
  done
}
