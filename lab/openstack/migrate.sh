#!/bin/bash
# Makes the database of an empty site: schemas only, no users and no secrets, so that the result can be cached.
# migrate.sh MARIADB_DATA CONFIG_FOLDER VENV_BIN: run it in a network namespace of its own (it listens on 127.0.0.1:3306,
# because Nova writes its cells' database addresses into the database).
set -u
data=$1 config=$2 bin=$3
ip link set lo up
export PYTHONWARNINGS=ignore
root=(mariadb --no-defaults -uroot -h127.0.0.1 -P3306)

mariadb-install-db --no-defaults --user=root --auth-root-authentication-method=normal --skip-test-db \
  --innodb-log-file-size=16M --datadir="$data" >/dev/null || exit 1
mariadbd --no-defaults --user=root --datadir="$data" --socket=mysql.sock --pid-file=mariadbd.pid --bind-address=127.0.0.1 \
  --port=3306 --skip-log-bin --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-log-file-size=16M \
  --performance-schema=OFF --skip-name-resolve &
server=$!
for _ in $(seq 120); do "${root[@]}" -e 'select 1' >/dev/null 2>&1 && break; sleep 0.25; done
# auth-root "normal" makes root@localhost; the services come by TCP
"${root[@]}" -e "$(for d in keystone glance placement nova_api nova_cell0 nova_cell1 cinder neutron octavia; do
  echo "create database if not exists $d character set utf8mb4;"; done)" || { kill $server; exit 1; }

step() { # NAME COMMAND...
  local name=$1 from=$SECONDS; shift
  if "$@" >"$config/$name.log" 2>&1; then echo "$name: $((SECONDS - from)) s"
  else echo "$name failed:"; tail -n 15 "$config/$name.log"; return 1; fi
}
nova() {
  local cell0="mysql+pymysql://root@127.0.0.1:3306/nova_cell0?charset=utf8mb4"
  step nova "$bin/python" "$(dirname "$0")/nova_schema.py" "$config/nova.conf" "$cell0"
}
small() {
  step keystone "$bin/keystone-manage" --config-file "$config/keystone.conf" db_sync &&
    step glance "$bin/glance-manage" --config-file "$config/glance-api.conf" db_sync &&
    step placement "$bin/placement-manage" --config-file "$config/placement.conf" db sync &&
    step cinder "$bin/cinder-manage" --config-file "$config/cinder.conf" db sync
}
network() {
  step neutron "$bin/neutron-db-manage" --config-file "$config/neutron.conf" upgrade heads &&
    step octavia "$bin/octavia-db-manage" --config-file "$config/octavia.conf" upgrade head
}
nova & one=$!
small & two=$!
network & three=$!
failed=0
wait $one || failed=1
wait $two || failed=1
wait $three || failed=1
mariadb-admin --no-defaults -uroot -h127.0.0.1 -P3306 shutdown
wait $server
exit $failed
