"""Tests download.sh against a server on loopback that answers as the Hugging Face hub and its CDN do."""
import hashlib
import http.server
import os
import subprocess
import threading
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "download.sh"
REPOSITORY = "timm/beit_x.in1k"
WEIGHTS = bytes(range(256)) * 4000
CONFIG = b'{"architecture": "beit_x"}'


class Hub(http.server.ThreadingHTTPServer):
    """Files by name, and what goes wrong: a list of functions, each of which answers one request in its own way."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.troubles = []
        self.requests = []
        self.hash_of = lambda data: hashlib.sha256(data).hexdigest()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for key, value in dict({"Content-Length": len(body)} | dict(headers)).items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def handle_request(self):
        hub = self.server
        hub.requests.append((self.command, self.path, dict(self.headers)))
        for trouble in hub.troubles:
            if trouble(self):
                return
        place, _, name = self.path.rpartition("/")
        data = hub.files.get(name)
        if data is None:
            return self.answer(404)
        if place.startswith("/cdn"):
            return self.send_file(data)
        large = name.endswith(".safetensors")
        if place == f"/{REPOSITORY}/resolve/main" and large:  # as files of Git LFS: another host has the bytes
            return self.answer(302, {"Location": f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn/{name}",
                                     "X-Linked-Size": len(data), "X-Linked-Etag": f'"{hub.hash_of(data)}"'})
        if place == f"/{REPOSITORY}/resolve/main":  # as small files since 2025: a relative redirection
            return self.answer(307, {"Location": f"/api/resolve-cache/models/{name}"})
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return self.answer(200, {"ETag": f'W/"{blob}"'}, data)

    def send_file(self, data):
        wanted = self.headers.get("Range")
        if not wanted:
            return self.answer(200, {"ETag": '"the CDN\'s own"'}, data)
        begin = int(wanted.removeprefix("bytes=").rstrip("-"))
        return self.answer(206, {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"}, data[begin:])

    do_GET = do_HEAD = handle_request


@pytest.fixture
def hub():
    server = Hub({"config.json": CONFIG, "model.safetensors": WEIGHTS})
    yield server
    server.shutdown()
    server.server_close()


def download(hub, folder, *, status=0, **environment):
    result = subprocess.run([SCRIPT, REPOSITORY.removeprefix("timm/"), folder], capture_output=True, text=True, timeout=60,
                            env={"PATH": os.environ["PATH"], "HF_ENDPOINT": hub.url, "no_proxy": "*"} | environment)
    assert result.returncode == status, result.stderr
    return result


def times(count, trouble):
    """A trouble that happens `count` times to requests of the large file."""
    left = [count]

    def answer(handler):
        if left[0] == 0 or not handler.path.endswith("model.safetensors") or not trouble(handler):
            return False
        left[0] -= 1
        return True
    return answer


def test_download_makes_a_folder(hub, tmp_path):
    folder = tmp_path / "model"
    assert f"{folder}/model.safetensors: {len(WEIGHTS)} bytes\n" in download(hub, folder).stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == hub.files
    hub.requests.clear()
    assert "is there already" in download(hub, folder).stdout
    assert all(command == "HEAD" for command, *_ in hub.requests)


def test_download_reads_transformers_models_and_shards(hub, tmp_path):
    del hub.files["model.safetensors"]
    hub.files |= {"preprocessor_config.json": b"{}", "model-00001-of-00002.safetensors": b"1", "model-00002-of-00002.safetensors": b"2",
                  "model.safetensors.index.json": b'{"weight_map": {"a": "model-00001-of-00002.safetensors", '
                                                  b'"b": "model-00002-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}}'}
    download(hub, tmp_path / "model")
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == hub.files


def test_download_goes_on_where_it_stopped(hub, tmp_path):
    part = tmp_path / "model.safetensors.part"
    part.write_bytes(WEIGHTS[:1000])
    download(hub, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS
    assert not part.exists()
    assert [headers["Range"] for _, path, headers in hub.requests if "/cdn/" in path] == ["bytes=1000-"]


def cut(handler):
    """Sends half of a body and closes the connection."""
    if "/cdn/" not in handler.path:
        return False
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(WEIGHTS)))
    handler.end_headers()
    handler.wfile.write(WEIGHTS[:len(WEIGHTS) // 2])
    handler.close_connection = True
    return True


def busy(handler):
    handler.answer(429, {"Retry-After": 0})
    return True


@pytest.mark.parametrize("trouble", [cut, busy])
def test_download_tries_again(hub, tmp_path, trouble):
    hub.troubles.append(times(2, trouble))
    download(hub, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


def test_download_reads_the_whole_file_from_a_server_without_ranges(hub, tmp_path):
    (tmp_path / "model.safetensors.part").write_bytes(WEIGHTS[:1000])
    hub.troubles.append(lambda handler: "/cdn/" in handler.path and (handler.answer(200, body=WEIGHTS) or True))
    download(hub, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


def test_download_refuses_other_bytes(hub, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    hub.hash_of = lambda data: hashlib.sha256(data + b"x").hexdigest()
    assert "hasn't the size or the hash that the hub states" in download(hub, tmp_path, status=1).stderr
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    assert not (tmp_path / "model.safetensors.part").exists()


def test_download_says_what_the_hub_lacks(hub, tmp_path):
    del hub.files["model.safetensors"]
    assert "found neither model.safetensors nor an index" in download(hub, tmp_path, status=1).stderr
    hub.files.clear()
    assert "found no config.json" in download(hub, tmp_path, status=1).stderr
    hub.troubles.append(lambda handler: handler.answer(401) or True)
    assert "set HF_TOKEN" in download(hub, tmp_path, status=1).stderr
    hub.troubles[:] = [lambda handler: handler.answer(429, {"Retry-After": 3600}) or True]
    assert "asks to wait for 3600 s" in download(hub, tmp_path, status=1).stderr


def test_download_hands_the_token_to_the_hub_alone(hub, tmp_path):
    download(hub, tmp_path, HF_TOKEN="hf_secret")
    for _, path, headers in hub.requests:
        assert ("Authorization" in headers) == ("/cdn/" not in path)


def test_download_without_arguments_says_how():
    result = subprocess.run([SCRIPT], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("Downloads a published model")
