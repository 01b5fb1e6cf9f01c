#!/bin/bash
# Waits until the seed's first boot is over, and keeps the further login keys.
#   SEED_USER, AUTHORIZED_KEYS (array), PROXY (a shell file, may be empty), READY_SECONDS

on_create() {
  local end state=0 home
  end=$(deadline "$READY_SECONDS")
  if command -v cloud-init > /dev/null; then
    timeout "$READY_SECONDS" cloud-init status --wait > /dev/null 2>&1 || state=$?
    # 2 is "finished, with warnings that it recovered from".
    case $state in
      0 | 2) ;;
      124) fail "cloud-init has not finished within $READY_SECONDS s; see /var/log/cloud-init.log on the seed" ;;
      *)
        cloud-init status --long >&2 || true
        fail "cloud-init failed on the seed; see /var/log/cloud-init.log there"
        ;;
    esac
  fi
  until home=$(getent passwd "$SEED_USER" | cut -d: -f6) && [[ -d $home ]]; do
    before "$end" || fail "the image has made no user $SEED_USER (setting seed.user)"
    sleep 1
  done

  if [[ -n $PROXY ]]; then
    # shellcheck disable=SC2154 # of common.sh; its address may hold a password
    write_file "$proxy_file" 0600 <<< "$PROXY" || true
  else
    rm -f "$proxy_file"
  fi

  # The second of sshd's default files: the first belongs to cloud-init.
  if ((${#AUTHORIZED_KEYS[@]})); then
    install -d -m 0700 -o "$SEED_USER" -g "$(id -g "$SEED_USER")" "$home/.ssh"
    write_file "$home/.ssh/authorized_keys2" 0600 <<< "$(printf '%s\n' "${AUTHORIZED_KEYS[@]}")" || true
    chown "$SEED_USER:" "$home/.ssh/authorized_keys2"
  else
    rm -f "$home/.ssh/authorized_keys2"
  fi
  echo ready
}
