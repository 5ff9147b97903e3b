"""Finds Apache and mod_auth_openidc on this machine, and gets them if they are missing.

`apache.py` prints Apache's path and the folder of its modules; `apache.py get` installs Debian's packages first."""

import shutil
import sys
from pathlib import Path

import debian

PACKAGES = ["apache2-bin", "libapache2-mod-auth-openidc"]
PROGRAMS = ["apache2", "httpd", "/usr/sbin/apache2", "/usr/sbin/httpd"]
# Of Debian and Ubuntu, Fedora, and Alpine.
FOLDERS = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/apache2"]

CHOICES = f"install them (on Debian: {' '.join(PACKAGES)}), or leave their test out with SKIP_APACHE=1"


def find():
    """Apache's path and the folder of its modules; ends the program with one clear line if there are none."""
    return _found() or sys.exit(f"no Apache with mod_auth_openidc was found: {CHOICES}")


def get():
    """As `find`, but installs the packages if they are missing."""
    return _found() or _install() or sys.exit(f"no Apache with mod_auth_openidc was found, and they could not be installed: {CHOICES}")


def _found():
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    modules = next((folder for folder in FOLDERS if Path(folder, "mod_auth_openidc.so").exists()), None)
    return (program, modules) if program and modules else None


def _install():
    print("Installing Apache and mod_auth_openidc …", file=sys.stderr)
    return debian.install(*PACKAGES) and _found()


if __name__ == "__main__":
    print(*(get() if sys.argv[1:] == ["get"] else find()))
