import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aws as stand_in  # noqa: E402


@pytest.fixture
def aws(monkeypatch):
    with stand_in.running(monkeypatch) as running:
        yield running
