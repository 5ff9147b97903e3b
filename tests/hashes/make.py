"""Makes `vectors.json`: password hashes by the libraries whose hashes can be imported.

    pip install bcrypt django passlib argon2-cffi && python make.py > vectors.json
"""

import base64
import hashlib
import hmac
import json
from importlib.metadata import version

import argon2
import bcrypt
from django.conf import settings
from passlib.hash import pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, phpass, scrypt

settings.configure()

from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: E402

PASSWORD = "correct horse battery staple"
ACCENTS = "crème brûlée à minuit"
LONG = "ab1 " * 18


def hashes():
    for password in (PASSWORD, ACCENTS):
        yield "argon2-cffi", "argon2", password, argon2.PasswordHasher().hash(password), None
        yield "bcrypt", "bcrypt", password, bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode(), None
        yield "passlib", "scrypt", password, scrypt.using(rounds=14).hash(password), None
        yield "passlib", "pbkdf2", password, pbkdf2_sha256.using(rounds=29000).hash(password), None
        yield "django", "django", password, PBKDF2PasswordHasher().encode(password, "s4lts4lts4lts4lt"), None
        yield "passlib", "phpass", password, phpass.using(rounds=13).hash(password), None
        key = "the key of Kohana's Auth module"
        yield "hashlib", "hmac_sha256", password, hmac.new(key.encode(), password.encode(), "sha256").hexdigest(), key
    of_type = argon2.PasswordHasher(type=argon2.Type.I, time_cost=3, memory_cost=4096, parallelism=2)
    yield "argon2-cffi", "argon2", PASSWORD, of_type.hash(PASSWORD), None
    yield "bcrypt", "bcrypt", LONG, bcrypt.hashpw(LONG.encode(), bcrypt.gensalt(6, prefix=b"2a")).decode(), None
    yield "passlib", "pbkdf2", PASSWORD, pbkdf2_sha1.using(rounds=20000).hash(PASSWORD), None
    yield "passlib", "pbkdf2", PASSWORD, pbkdf2_sha512.using(rounds=20000).hash(PASSWORD), None
    # WordPress since 6.8: wp_hash_password() in wp-includes/pluggable.php.
    prehashed = base64.b64encode(hmac.new(b"wp-sha384", PASSWORD.encode(), "sha384").digest())
    of_wordpress = bcrypt.hashpw(prehashed, bcrypt.gensalt(10)).decode().replace("$2b$", "$2y$")
    yield "bcrypt, as WordPress 6.8", "bcrypt", PASSWORD, f"$wp{of_wordpress}", None
    derived = hashlib.scrypt(PASSWORD.encode(), salt=b"sixteen bytes!!!", n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    salt, derived = (base64.b64encode(part).decode().rstrip("=") for part in (b"sixteen bytes!!!", derived))
    yield "hashlib", "scrypt", PASSWORD, f"$scrypt$ln=15,r=8,p=1${salt}${derived}", None


def main():
    names = ("made_by", "kind", "password", "value", "key")
    versions = {name: version(name) for name in ("argon2-cffi", "bcrypt", "django", "passlib")}
    made = [dict(zip(names, row)) for row in hashes()]
    print(json.dumps({"versions": versions, "hashes": made}, indent=2, ensure_ascii=False))


main()
