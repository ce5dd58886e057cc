"""A web server on this machine that holds a few files, with ranges and interruptions."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        content = self.server.files.get(self.path.lstrip("/"))
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()

    def do_GET(self):
        self.server.asked.append((self.path.lstrip("/"), self.headers.get("Range")))
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None or self.server.failures > 0:
            self.server.failures -= content is not None
            self.send_error(404 if content is None else 503)
            return
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if content.startswith(b"<html"):
            self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(content[start:])

    def log_message(self, *_):
        pass


@contextmanager
def serving(files: dict[str, bytes], failures: int = 0):
    """The address of a server with `files`; the first `failures` requests end in an error."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.failures, server.asked = files, failures, []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
