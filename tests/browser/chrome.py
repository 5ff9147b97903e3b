"""Finds the Chrome or Chromium of this machine."""

import os
import shutil
import sys

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

# No sandbox, because tests run as root in containers; nothing that speaks to anybody by itself.
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
    """The path of the browser; ends the program with one clear line if there is none."""
    wanted = os.environ.get("CHROME")
    for name in [wanted] if wanted else NAMES:
        path = shutil.which(name)
        if path:
            return path
    missing = f"CHROME is {wanted!r}, which cannot be run" if wanted else "no Chrome or Chromium was found"
    sys.exit(f"{missing}: install one, name it with CHROME, or leave these tests out with SKIP_BROWSER=1")


if __name__ == "__main__":
    print(find())
