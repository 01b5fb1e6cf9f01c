#!/bin/bash
# Asks the cloud's identity endpoint from the seed: the cluster's controllers run in the same network.
#   AUTH_URL, CLOUD_CA (PEM, may be empty), REACH_SECONDS

# Seconds for one try.
try=15

on_create() {
  local end ca state=0 code options=(--silent --show-error --location --max-time "$try" --output /dev/null --write-out '%{http_code}')
  end=$(deadline "$REACH_SECONDS")
  if [[ -n $CLOUD_CA ]]; then
    ca=$(mktemp)
    printf '%s\n' "$CLOUD_CA" > "$ca"
    options+=(--cacert "$ca")
  fi
  while true; do
    state=0
    code=$(proxied curl "${options[@]}" "$AUTH_URL" < /dev/null 2> /dev/null) || state=$?
    if ((state == 0)) && [[ $code != 5* ]]; then
      rm -f "${ca:-}"
      echo reachable
      return
    fi
    case $state in
      # Waiting changes nothing about these.
      6) fail "the seed cannot resolve the host of $AUTH_URL: set seed.network.dnsNameservers" ;;
      35 | 51 | 58 | 60 | 77) fail "the seed does not trust the certificate of $AUTH_URL: set openstack.caCert to the cloud's authority" ;;
    esac
    before "$end" || break
    sleep 2
  done
  ((state != 0)) || fail "$AUTH_URL answers the seed with HTTP $code"
  fail "the seed does not reach $AUTH_URL (curl: $state): the management cluster needs the public OpenStack APIs; see its router and the firewalls between"
}
