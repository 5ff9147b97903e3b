"""Finds Chrome or Chromium on this machine."""

import os
import shutil
import sys

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

# No sandbox, because tests run as root in containers. No background requests.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find():
    """The path of the browser. Exits with a clear message if there is none."""
    wanted = os.environ.get("CHROME")
    for name in [wanted] if wanted else NAMES:
        path = shutil.which(name)
        if path:
            return path
    missing = f"CHROME is {wanted!r}, which is not an executable" if wanted else "found no Chrome or Chromium"
    sys.exit(f"{missing}: install one, set CHROME to its path, or skip these tests with SKIP_BROWSER=1")


if __name__ == "__main__":
    print(find())
