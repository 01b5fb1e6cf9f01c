"""Starts an OpenStack daemon: loads its code at once, then waits for what it needs, then runs it.

launch.py PROGRAM MODULE [--port N]... [--api N]... [--file PATH]... -- ARGUMENTS. Loading takes seconds of processor time; done while the
services it needs start, the site is up earlier by just that. --port: a TCP port of the loopback that accepts; --api: one
whose HTTP server answers (uWSGI accepts connections before it has loaded its application); --file: a file that is there,
which tells that the users the daemon logs in as exist (a daemon whose login is refused ends).
"""

import http.client
import importlib
import os
import socket
import sys
import time


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except OSError:
        return False
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def main():
    split = sys.argv.index("--")
    program, module, *needs = sys.argv[1:split]
    # oslo.log names the log file after the program
    sys.argv = [program, *sys.argv[split + 1 :]]
    loaded = importlib.import_module(module)
    checks = {
        "--port": lambda value: accepts(int(value)),
        "--api": lambda value: answers(int(value)),
        "--file": os.path.exists,
    }
    for kind, value in zip(needs[::2], needs[1::2], strict=True):
        while not checks[kind](value):
            time.sleep(0.1)
    sys.exit(loaded.main())


main()
