"""Downloads from a local server: whole, resumed, without ranges, broken, wrong."""

import hashlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from wstal.errors import WstalError
from wstal.nets.download import fetch
from wstal.nets.weight_files import WeightFile

CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if not server.knows_ranges:
            start, asked = 0, None
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : server.breaks_at])
        if server.breaks_at:
            server.breaks_at = None
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ranges, server.knows_ranges, server.breaks_at = [], True, None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def weights(server, sha256=DIGEST):
    url = f"http://127.0.0.1:{server.server_port}/net.pt"
    return WeightFile("net", "net.pt", "Net", sha256=sha256, url=url)


def test_whole_file_with_progress(server, tmp_path):
    seen = []

    def track(pieces, done, total):
        for piece in pieces:
            done += len(piece)
            yield piece
        seen.append((done, total))

    path = fetch(weights(server), tmp_path / "new/net.pt", track)
    assert path.read_bytes() == CONTENT
    assert seen == [(len(CONTENT), len(CONTENT))]
    assert [p.name for p in path.parent.iterdir()] == ["net.pt"]
    fetch(weights(server), path)
    assert len(server.ranges) == 1, "a file that is there is not fetched again"


def test_interrupted_download_goes_on(server, tmp_path):
    server.breaks_at = 100_000
    with pytest.raises(WstalError, match="run it again to go on") as error:
        fetch(weights(server), tmp_path / "net.pt")
    assert "net.pt" in str(error.value) and not (tmp_path / "net.pt").exists()
    arrived = (tmp_path / "net.pt.part").stat().st_size
    assert 0 < arrived <= 100_000
    assert fetch(weights(server), tmp_path / "net.pt").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={arrived}-"]


def test_server_without_ranges_starts_again(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "net.pt.part").write_bytes(b"stale")
    assert fetch(weights(server), tmp_path / "net.pt").read_bytes() == CONTENT


def test_complete_part_is_taken(server, tmp_path):
    (tmp_path / "net.pt.part").write_bytes(CONTENT)
    assert fetch(weights(server), tmp_path / "net.pt").read_bytes() == CONTENT


def test_another_file_is_refused_and_removed(server, tmp_path):
    with pytest.raises(WstalError, match=f"expected {'0' * 64}, found {DIGEST}"):
        fetch(weights(server, "0" * 64), tmp_path / "net.pt")
    assert not list(tmp_path.iterdir())


def test_file_placed_by_hand_is_checked(server, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"something else")
    with pytest.raises(WstalError, match="not the published file"):
        fetch(weights(server), tmp_path / "net.pt")
    assert (tmp_path / "net.pt").exists() and not server.ranges


def test_no_network_says_what_to_place_where(tmp_path):
    absent = WeightFile("net", "net.pt", "Net", sha256=DIGEST, url="http://127.0.0.1:9/net.pt")
    with pytest.raises(WstalError) as error:
        fetch(absent, tmp_path / "net.pt")
    for part in (absent.url, str(tmp_path / "net.pt"), DIGEST):
        assert part in str(error.value)


def test_script_fetches_and_lists(server, tmp_path, project):
    source = weights(server)
    table = f"net: {{network: Net, file: net.pt, sha256: {DIGEST}, url: '{source.url}'}}\n"
    (tmp_path / "sources.yaml").write_text(table)
    script = [sys.executable, project / "scripts/fetch_weights.py"]
    script += ["--sources", tmp_path / "sources.yaml", "--folder", tmp_path]
    subprocess.run([*script, "net"], check=True, capture_output=True)
    assert (tmp_path / "net.pt").read_bytes() == CONTENT
    listing = subprocess.run([*script, "--list"], check=True, capture_output=True, text=True)
    assert "present" in listing.stdout and source.url in listing.stdout
    unknown = subprocess.run([*script, "other"], capture_output=True, text=True)
    assert unknown.returncode and "known: net" in unknown.stderr
