"""A service of batches on this machine, as far as it is documented: OpenAI's and Anthropic's.

It is ours, and proves nothing about the real ones. It answers which of two options a picture shows
by how bright it is, bills every line that it has answered, and does amiss what it is told to.
"""

import base64
import http.server
import io
import json
import re
import threading
import time
from datetime import UTC, datetime

import numpy as np
from PIL import Image

USAGE = (100, 2)  # tokens in and out of each answer
USD_PER_M = (1.0, 10.0)
EACH_NANO = 60_000  # what an answer costs at half of that: (100 * 1 + 2 * 10) / 2 millionths


def uri_of(fake, protocol, more=""):
    """Return the URI of a box of two classes."""
    scheme, tail = ("chat", "/v1") if protocol == "openai" else ("anthropic", "")
    base = f"http://127.0.0.1:{fake.port}{tail}"
    price = f"usd_per_m_in={USD_PER_M[0]:g}&usd_per_m_out={USD_PER_M[1]:g}"
    # a thousand tokens at most would be set aside, but for what is told: a picture's are not known
    return (
        f"{scheme}:model?base_url={base}&classes=dark,light&read=label&size=16&{price}&timeout_s=2"
        f"{more}"
    )


def pictures(n=40, seed=0):
    """Return n pictures, every other one light, and which they are."""
    x = np.random.default_rng(seed).integers(0, 90, (n, 16, 16, 3), dtype=np.uint8)
    y = np.arange(n) % 2
    x[y == 1] += 120
    return x, y


class FakeBatches:
    """A server of both protocols, in a thread.

    Attributes
    ----------
    billed : list of str
        The custom ids of all lines that were answered, one for each time.
    live : int
        Questions that were answered at once.
    """

    def __init__(self, latency_s=0.0):
        self.latency_s = latency_s
        self.files, self.batches, self.billed, self.live = {}, {}, [], 0
        self.requests, self.faults = [], []
        self.answer = _answer
        self.hidden_s = 0.0  # for which a new batch is in no listing
        self.lock = threading.RLock()
        fake = self

        class Handler(_Handler):
            service = fake

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fault(self, method, path, act, times=1):
        """Do ``act`` (a status, or 'drop' after the work is done) at the next requests there."""
        self.faults.append([method, re.compile(path), act, times])

    def due(self, method, path):
        for one in self.faults:
            if one[0] == method and one[1].search(path) and one[3]:
                one[3] -= 1
                return one[2]
        return None

    def make(self, lines, protocol, file=None, metadata=None):
        number = f"{'batch' if protocol == 'openai' else 'msgbatch'}_{len(self.batches) + 1}"
        self.batches[number] = {
            "id": number,
            "lines": lines,
            "made_s": time.time(),
            "file": file,
            "metadata": metadata,
            "results": None,
            "status": "completed",
            "protocol": protocol,
        }
        return number

    def ended(self, batch):
        """Return whether a batch has ended, and answer it if it has only now."""
        if time.time() - batch["made_s"] < self.latency_s:
            return False
        if batch["results"] is None:
            results = self.answer(self, batch)
            batch["results"] = results
            self.billed += [name for name, status, _ in results if status == 200]
        return True


def _answer(fake, batch):
    """Answer all lines, in another order."""
    return [(name, 200, said(body)) for name, body in reversed(batch["lines"])]


def letter_of(body):
    """Return A where the picture is dark, B where it is light."""
    text = json.dumps(body)
    found = re.search(r"(?:base64,|\"data\": \")([A-Za-z0-9+/=]{40,})", text)
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        return "AB"[int(np.asarray(image).mean() > 100)]


def said(body):
    """Return what a model says to a question, by the protocol in which it was asked."""
    answer = letter_of(body)
    if "max_tokens" in body and "seed" not in body:
        return {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [{"type": "text", "text": answer}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": USAGE[0], "output_tokens": USAGE[1]},
        }
    return {
        "id": "chatcmpl",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1]},
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    service = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve("GET")

    def do_POST(self):
        self._serve("POST")

    def do_DELETE(self):
        self._serve("DELETE")

    def _serve(self, method):
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        fake = self.service
        with fake.lock:
            fake.requests.append((method, self.path, content))
            act = fake.due(method, self.path)
            if isinstance(act, int):
                return self._say({"error": {"message": "told to fail", "type": "fake"}}, act)
            status, body = self._reply(method, self.path.partition("?"), content)
        if act == "drop":
            self.close_connection = True
            return self.connection.shutdown(2)
        return self._say(body, status)

    def _say(self, body, status=200):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reply(self, method, parts, content):
        path, _, query = parts
        routes = {
            ("POST", r"/v1/files$"): self._upload,
            ("DELETE", r"/v1/files/(.*)$"): self._delete,
            ("GET", r"/v1/files/(.*)/content$"): self._content,
            ("POST", r"/v1/batches$"): self._create,
            ("GET", r"/v1/batches$"): self._listing,
            ("GET", r"/v1/batches/(.*)$"): self._batch,
            ("POST", r"/v1/messages/batches$"): self._create_messages,
            ("GET", r"/v1/messages/batches$"): self._listing,
            ("GET", r"/v1/messages/batches/(.*)/results$"): self._results,
            ("GET", r"/v1/messages/batches/(.*)$"): self._batch,
            ("POST", r"/v1/(?:chat/completions|messages)$"): self._live,
        }
        for (verb, pattern), work in routes.items():
            found = re.match(pattern, path)
            if verb == method and found:
                return work(content, *found.groups(), *([query] if work == self._listing else []))
        return 404, {"error": {"message": f"no such address {path}"}}

    def _live(self, content):
        self.service.live += 1
        return 200, said(json.loads(content))

    def _upload(self, content):
        name = re.search(rb'filename="(.*?)"', content)[1].decode()
        assert b'name="purpose"\r\n\r\nbatch\r\n' in content
        body = content.split(b"octet-stream\r\n\r\n")[1].rpartition(b"\r\n--")[0]
        number = f"file-{len(self.service.files) + 1}"
        self.service.files[number] = (name, body)
        return 200, {"id": number, "object": "file", "purpose": "batch"}

    def _delete(self, content, file):
        self.service.files.pop(file, None)
        return 200, {"id": file, "deleted": True}

    def _create(self, content):
        asked = json.loads(content)
        if asked["input_file_id"] not in self.service.files:
            return 404, {"error": {"message": "no such file"}}
        assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
        _, body = self.service.files[asked["input_file_id"]]
        lines = [json.loads(line) for line in body.splitlines()]
        assert all(one["method"] == "POST" and one["url"] == asked["endpoint"] for one in lines)
        number = self.service.make(
            [(one["custom_id"], one["body"]) for one in lines],
            "openai",
            asked["input_file_id"],
            asked["metadata"],
        )
        return 200, self._shown(self.service.batches[number])

    def _create_messages(self, content):
        assert self.headers["anthropic-version"] == "2023-06-01"
        asked = json.loads(content)["requests"]
        number = self.service.make(
            [(one["custom_id"], one["params"]) for one in asked], "anthropic"
        )
        return 200, self._shown(self.service.batches[number])

    def _shown(self, batch):
        ended = self.service.ended(batch)
        answered = sum(status == 200 for _, status, _ in batch["results"] or ())
        failed = len(batch["results"] or ()) - answered
        if batch["protocol"] == "anthropic":
            left = 0 if ended else len(batch["lines"])
            counts = {"processing": left, "succeeded": answered, "errored": failed}
            counts |= {
                "canceled": 0,
                "expired": max(0, len(batch["lines"]) - answered - failed - left),
            }
            return {
                "id": batch["id"],
                "type": "message_batch",
                "processing_status": "ended" if ended else "in_progress",
                "request_counts": counts,
                "created_at": datetime.fromtimestamp(batch["made_s"], UTC).isoformat(),
                "results_url": "http://elsewhere.example/results" if ended else None,
            }
        return {
            "id": batch["id"],
            "object": "batch",
            "status": batch["status"] if ended else "in_progress",
            "metadata": batch["metadata"],
            "created_at": int(batch["made_s"]),
            "request_counts": {
                "total": len(batch["lines"]),
                "completed": answered,
                "failed": failed,
            },
            "output_file_id": f"out-{batch['id']}" if ended and answered else None,
            "error_file_id": f"err-{batch['id']}" if ended and failed else None,
            "errors": {"data": [{"message": "told to fail"}]}
            if batch["status"] == "failed"
            else None,
        }

    def _batch(self, content, number):
        if number not in self.service.batches:
            return 404, {"error": {"message": "no such batch"}}
        return 200, self._shown(self.service.batches[number])

    def _listing(self, content, query):
        now = time.time()
        known = [
            b for b in self.service.batches.values() if now - b["made_s"] >= self.service.hidden_s
        ]
        known.reverse()
        found = re.search(r"after(?:_id)?=([^&]*)", query)
        if found:
            places = [b["id"] for b in known]
            known = known[places.index(found[1]) + 1 :]
        page = known[:2]  # short ones: whoever lists has to turn them
        return 200, {"data": [self._shown(b) for b in page], "has_more": len(known) > len(page)}

    def _content(self, content, file):
        good = file.startswith("out-")
        batch = self.service.batches[file.partition("-")[2]]
        lines = []
        for name, status, body in batch["results"]:
            if (status == 200) != good:
                continue
            line = {"id": "x", "custom_id": name, "response": None, "error": None}
            if status:
                line["response"] = {"status_code": status, "request_id": "r", "body": body}
            else:
                line["error"] = body
            lines.append(json.dumps(line))
        return 200, "\n".join(lines).encode()

    def _results(self, content, number):
        lines = []
        for name, status, body in self.service.batches[number]["results"]:
            if status == 200:
                result = {"type": "succeeded", "message": body}
            elif status:
                result = {"type": "errored", "error": {"type": "error", "error": body["error"]}}
            else:
                result = {"type": "expired"}
            lines.append(json.dumps({"custom_id": name, "result": result}))
        return 200, "\n".join(lines).encode()
