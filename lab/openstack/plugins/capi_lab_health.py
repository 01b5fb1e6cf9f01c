"""Octavia's worker with a health manager beside it: brings balancers back, reports their status and statistics.

Upstream analogue: octavia-worker, the amphora agent's heartbeat and octavia-health-manager, whose own code writes what
HAProxy says of itself into the database. In one service, because the loaded code is then shared.
"""

import multiprocessing
import os
import sys
import threading
import time

import capi_lab_octavia
import cotyledon
from octavia.amphorae.backends.health_daemon import health_daemon
from octavia.amphorae.backends.utils import haproxy_query
from octavia.amphorae.drivers.health import heartbeat_udp
from octavia.common import service
from octavia.common.config import cfg
from octavia.controller.queue.v2 import consumer
from oslo_log import log as logging

CONF = cfg.CONF
LOG = logging.getLogger(__name__)
# Seconds: a member's death shows this long after HAProxy has noticed it.
INTERVAL = 2


def message(balancer):
    """The amphora's heartbeat (version 3: counters are differences); no listeners if HAProxy does not answer."""
    listeners, pools = {}, {}
    if balancer.worker():
        with balancer.socket() as path:
            query = haproxy_query.HAProxyQuery(path)
            rows, pools = query.show_stat(object_type=1), query.get_pool_status()
        for row in rows:
            delta = health_daemon.calculate_stats_deltas(row["pxname"], row)
            stats = {"tx": delta["bout"], "rx": delta["bin"], "totconns": delta["stot"], "ereq": delta["ereq"]}
            listeners[row["pxname"]] = {"status": row["status"], "stats": {**stats, "conns": int(row["scur"])}}
    return {"id": balancer.amphora(), "ver": 3, "recv_time": time.time(), "listeners": listeners, "pools": pools}


class HealthManager(cotyledon.Service):
    def __init__(self, worker_id):
        super().__init__(worker_id)
        self.ended = threading.Event()
        self.database = heartbeat_udp.UpdateHealthDb()

    def report(self, load_balancer_id):
        balancer = capi_lab_octavia.balancer(load_balancer_id)
        balancer.ensure()
        heartbeat = message(balancer)
        self.database.update_health(heartbeat, "127.0.0.1")
        heartbeat_udp.update_stats(heartbeat)

    def run(self):
        os.makedirs(CONF.haproxy_amphora.base_path, mode=0o700, exist_ok=True)
        while not self.ended.wait(INTERVAL):
            for entry in os.scandir(CONF.haproxy_amphora.base_path):
                if entry.is_dir():
                    try:
                        self.report(entry.name)
                    except Exception:  # removed at this moment, or a database that is away
                        LOG.exception("load balancer %s: no report", entry.name)
            health_daemon.persist_counters()

    def terminate(self):
        self.ended.set()


def main():
    service.prepare_service(sys.argv)
    manager = cotyledon.ServiceManager(mp_context=multiprocessing.get_context("fork"))
    manager.add(consumer.ConsumerService, workers=CONF.controller_worker.workers, args=(CONF,))
    manager.add(HealthManager)
    manager.run()
