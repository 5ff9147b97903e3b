"""Finds the Chrome or Chromium of this machine, and gets one if there is none.

`chrome.py` prints the path; `chrome.py get` gets one first: Playwright's own download, else the system's package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import debian  # noqa: E402

# The headless shell draws no windows, so the tests take two thirds of the time.
NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
APPLICATIONS = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
]

# Where Playwright's download is put, and what is in it.
DOWNLOADED = Path(__file__).resolve().parents[2] / ".venv" / "browsers"
EXECUTABLE = "chromium_headless_shell-*/*/*headless*shell"

# No sandbox, because tests run as root in containers; and no requests of the browser's own.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

CHOICES = "name one with CHROME=/path/to/chrome, or leave these tests out with SKIP_BROWSER=1"


def find():
    """The path of the browser; ends the program with one clear line if there is none."""
    path = _found()
    if path:
        return path
    sys.exit(f"no Chrome or Chromium was found: install one, {CHOICES}")


def get():
    """As `find`, but gets a browser if there is none."""
    path = _found() or _download() or _install_package()
    if path:
        return path
    sys.exit(f"no Chrome or Chromium was found, and none could be downloaded or installed: {CHOICES}")


def _found():
    wanted = os.environ.get("CHROME")
    if wanted:
        path = shutil.which(wanted)
        return path or sys.exit(f"CHROME is {wanted!r}, which cannot be run: {CHOICES}")
    paths = [shutil.which(name) for name in NAMES] + APPLICATIONS
    paths += [str(path) for path in sorted(DOWNLOADED.glob(EXECUTABLE))]
    return next((path for path in paths if path and _runs(path)), None)


def _runs(path):
    """A download may lack libraries of the system."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _download():
    print("Downloading Chromium (about 110 MB) …", file=sys.stderr)
    playwright = [sys.executable, "-m", "playwright"]
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(DOWNLOADED)}
    if not debian.run([*playwright, "install", "--only-shell", "chromium"], environment):
        return None
    root = debian.as_root()
    if not _found() and root is not None:
        debian.run([*root, *playwright, "install-deps", "chromium"], environment)
    return _found()


def _install_package():
    """Debian's packages. Ubuntu's is a snap, which cannot be installed everywhere."""
    print("Installing the system's Chromium …", file=sys.stderr)
    return _found() if debian.install("chromium-headless-shell") or debian.install("chromium") else None


if __name__ == "__main__":
    print(get() if sys.argv[1:] == ["get"] else find())
