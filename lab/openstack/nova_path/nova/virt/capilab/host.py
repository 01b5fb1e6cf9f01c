"""What the driver does to the host: commands, files, processes. All runs in the lab's network namespace."""

import os
import signal
import subprocess
import time

from nova import exception

STATE = os.environ["CAPI_LAB_STATE"]
SERVICE_VARIABLE = "CAPI_MGMT_LAB_SERVICE"


def sh(*command, check=True, stdin=None):
    """Runs a command; a failure is a NovaException with the command's own words."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, input=stdin, stdin=None if stdin else subprocess.DEVNULL
    )
    if check and done.returncode:
        raise exception.NovaException(
            "%s: exit code %s: %s" % (" ".join(command), done.returncode, (done.stderr or done.stdout).strip())
        )
    return done.stdout


def write(path, text, mode=0o644):
    """Writes a whole file or nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def read_pid(path):
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def is_service(pid, service):
    """Whether a pid is a live process that was started as this service (pids are used again)."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            if (SERVICE_VARIABLE + "=" + service).encode() not in file.read().split(b"\0"):
                return False
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid, sent=signal.SIGKILL):
    try:
        os.kill(pid, sent)
    except OSError:
        pass


def gone(pid, seconds):
    """Waits until a process has ended."""
    end = time.monotonic() + seconds
    while os.path.exists("/proc/%d" % pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def launch(service, command, log):
    """Starts a process in a session of its own that outlives nova-compute; returns nothing, it records its own pid."""
    environment = dict(os.environ, **{SERVICE_VARIABLE: service})
    with open(log, "ab") as output:
        subprocess.run(
            ["setsid", "-f", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            close_fds=True,
            check=True,
        )
