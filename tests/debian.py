"""Installs packages of Debian and Ubuntu, where that takes no password."""

import os
import shutil
import subprocess


def install(*packages):
    """False if they cannot be installed."""
    if not shutil.which("apt-get") or as_root() is None:
        return False
    apt = [*as_root(), "apt-get", "-qq"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([*apt, "update"], environment)
    return run([*apt, "install", "-y", "--no-install-recommends", *packages], environment)


def as_root():
    """The words before a command that needs root; None if that takes a password."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def run(command, environment=None):
    """Whether the command succeeds."""
    try:
        return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False
