"""The import against a stand-in of the API: whole files, interruptions, refusals, and lines that fail."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import import_users


class Service(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.users = {}
        self.requests = []
        # Statuses of the next answers.
        self.statuses = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        service = self.server
        with service.lock:
            service.requests.append(body)
            status = service.statuses.pop(0) if service.statuses else 200
            results = self.results(body) if status == 200 else []
        answer = json.dumps({"results": results} if status == 200 else {"code": "refused"}).encode()
        self.send_response(status)
        if status in (429, 503):
            self.send_header("retry-after", "7")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def results(self, body):
        lines = [line for line in body.split(b"\n") if line.strip()]
        assert len(lines) <= 200 and len(body) <= 1024 * 1024
        results = []
        for number, line in enumerate(lines, start=1):
            try:
                email = json.loads(line)["email"]
            except ValueError:
                results.append({"line": number, "code": "invalid_json"})
                continue
            self.server.users[email] = self.server.users.get(email, 0) + 1
            results.append({"line": number, "id": email})
        return results

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    running = Service()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()


def user(number):
    return json.dumps({"name": "Ada", "email": f"{number}@example.com"})


def run(path, service, sleep=lambda _: None, at_once=3):
    return import_users.run(path, import_users.Api(service.address, "key", sleep), at_once, lambda *_: None)


def failures(path):
    return [json.loads(line) for line in (path.parent / f"{path.name}.failed.ndjson").read_text().splitlines()]


def test_a_file_is_imported_in_batches(tmp_path, service):
    path = tmp_path / "users.ndjson"
    path.write_text("\ufeff" + "\n\n".join(user(number) for number in range(450)))
    assert run(path, service) == {None: 450}
    assert len(service.users) == 450 and set(service.users.values()) == {1}
    assert len(service.requests) == 3
    assert failures(path) == []


def test_lines_that_fail_are_kept_with_their_number_and_reason(tmp_path, service):
    path = tmp_path / "users.ndjson"
    lines = [user(number).encode() for number in range(300)]
    lines[0] = b"nonsense"
    lines[250] = b'{"name":"Jos\xe9"}'
    lines[260] = b"x" * (import_users.MOST_BYTES + 1)
    path.write_bytes(b"\n".join(lines))
    assert run(path, service) == {None: 297, "invalid_json": 2, "too_long": 1}
    assert [(failure["line"], failure["code"]) for failure in failures(path)] == [
        (1, "invalid_json"),
        (251, "invalid_json"),
        (261, "too_long"),
    ]
    assert failures(path)[0]["text"] == "nonsense"


def test_an_interrupted_import_continues_where_it_stopped(tmp_path, service):
    path = tmp_path / "users.ndjson"
    path.write_text("".join(user(number) + "\n" for number in range(1000)))
    service.statuses = [200, 200, 401]
    with pytest.raises(import_users.Refused):
        run(path, service, at_once=1)
    assert json.loads((tmp_path / "users.ndjson.state").read_text())["line"] == 401
    service.requests.clear()
    assert run(path, service, at_once=1) == {None: 600}
    # What was on its way at the interruption is sent again, which changes nothing.
    assert len(service.users) == 1000 and all(service.users[f"{number}@example.com"] == 1 for number in range(400))
    assert run(path, service) == {}, "all is done"


def test_a_busy_service_is_waited_for_as_it_says(tmp_path, service):
    path = tmp_path / "users.ndjson"
    path.write_text(user(1))
    pauses = []
    service.statuses = [429, 503, 500]
    assert run(path, service, pauses.append) == {None: 1}
    assert pauses == [7, 7, 4]


def test_a_service_that_never_answers_ends_the_import(tmp_path, service):
    path = tmp_path / "users.ndjson"
    path.write_text(user(1))
    service.statuses = [503] * import_users.ATTEMPTS
    with pytest.raises(import_users.Refused, match="doesn't answer"):
        run(path, service)
    assert not (tmp_path / "users.ndjson.state").exists()
