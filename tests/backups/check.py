"""Scheduled backups in S3: taken, checked, listed, kept by count, restored; an upload that is cut off has no name, and no
secret is in a log. Called by tests/backups/run with the folder of the programs, the S3 server and a temporary folder."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3

BIN, MOTO, HOME = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
NEXUSD = BIN / "nexusd"
PREFIX = "s3://backups/team/nexus"
SECRET = "a-secret-that-no-log-may-show"
PATIENCE = 60


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


ENDPOINT = f"http://127.0.0.1:{free_port()}"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AWS_ACCESS_KEY_ID": "nexus-tests",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT": ENDPOINT,
    "AWS_ALLOW_HTTP": "true",
}


def until(what, look):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if seen := look():
                return seen
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"waited {PATIENCE} s in vain until {what}")


def expect(holds, what):
    if not holds:
        raise SystemExit(f"not so: {what}")


def run(*words, fails=False):
    done = subprocess.run([NEXUSD, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    expect((done.returncode != 0) == fails, f"nexusd {words} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


class Node:
    """A cluster of one node with a schedule, whose log is kept over restarts."""

    def __init__(self, name):
        self.name, self.log = name, HOME / f"{name}.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.peers = f"127.0.0.1:{free_port()}"
        self.process = None

    def start(self, every="1s", keep="3"):
        flags = ["--node-id", "1", "--initial-cluster", f"1={self.peers}", "--peer-listen", self.peers]
        flags += ["--listen", self.url.removeprefix("http://"), "--data-dir", HOME / self.name]
        flags += ["--backup-to", PREFIX, "--backup-every", every, "--backup-keep", keep]
        with self.log.open("a") as log:
            self.process = subprocess.Popen([NEXUSD, "start", *flags], env=ENVIRONMENT, stderr=log)
        until("the node is ready", lambda: urllib.request.urlopen(self.url + "/health/ready").status == 200)

    def post(self, path, body, key=None):
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(self.url + "/api" + path, json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request))["data"]

    def end(self, with_signal=signal.SIGTERM):
        if self.process:
            self.process.send_signal(with_signal)
            self.process.wait()


def listed():
    return json.loads(run("backups", PREFIX, "--json"))


def stories(node, s3):
    s3.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="backups", Key="team/nexus/notes.txt", Body=b"somebody else's")

    node.start()
    token = until("the first admin may register", (HOME / node.name / "bootstrap-token").read_text).strip()
    admin = {"name": "Ana", "email": "ana@example.com", "bootstrapToken": token}
    key = node.post("/auth/register", admin)["apiKey"]
    project = node.post("/projects", {"name": "Demo", "slug": "demo"}, key)
    # More than one part of an upload.
    for number in range(30):
        spec = os.urandom(200_000).hex()
        node.post(f"/projects/{project['id']}/features", {"slug": f"f-{number}", "title": "t", "spec": spec}, key)
    until("a backup has more than one part", lambda: [found for found in listed() if found["bytes"] > 9 << 20])
    until("older ones are deleted", lambda: len(listed()) == 3)
    first = listed()[0]["url"]
    until("they move on", lambda: first not in [found["url"] for found in listed()])
    expect("taken and checked" in node.log.read_text(), "the log tells of them")
    expect(s3.head_object(Bucket="backups", Key="team/nexus/notes.txt"), "a file of somebody else stays")
    print("taken, checked, kept by count", flush=True)

    # Killed in the middle of an upload: what was sent has no name.
    uploads = lambda: s3.list_multipart_uploads(Bucket="backups").get("Uploads", [])
    hits = 0
    for _ in range(5):
        before = {upload["UploadId"] for upload in uploads()}
        until("an upload is under way", lambda: {upload["UploadId"] for upload in uploads()} - before)
        node.end(signal.SIGKILL)
        hits += len({upload["UploadId"] for upload in uploads()} - before)
        for found in listed():
            local = HOME / "fetched"
            s3.download_file("backups", found["url"].removeprefix("s3://backups/"), str(local))
            run("check-backup", local)
        node.start(every="2s")
    expect(hits > 0, "a kill came in the middle of an upload")
    print(f"killed in the middle of {hits} uploads", flush=True)

    node.end()
    newest = listed()[-1]
    shown = run("restore", "--from", PREFIX, "--data-dir", HOME / "restored")
    state = re.search(r"^State hash (\w+)$", shown, re.M).group(1)
    one = run("restore", "--from", newest["url"], "--data-dir", HOME / "dry", "--dry-run")
    expect(f"State hash {state}" in one, "the newest one is that of its address")
    inspected = json.loads(run("inspect", HOME / "restored", "--json"))
    expect(state in json.dumps(inspected), "the restored folder has the state of the backup")
    left = [path.name for path in HOME.iterdir() if "from-store" in path.name]
    expect(not left, f"nothing that was fetched is left: {left}")
    print("restored", flush=True)

    # What is refused, and what no output shows.
    missing = run("restore", "--from", f"{PREFIX}/no-such.backup", "--data-dir", HOME / "none", fails=True)
    expect("no-such.backup" in missing, missing)
    expect(not (HOME / "none").exists(), "nothing was made")
    empty = run("backups", "s3://backups/elsewhere", fails=True)
    expect("there are no scheduled backups" in empty, empty)
    unknown = run("backups", "s3://no-such-bucket/nexus", fails=True)
    expect("no-such-bucket" in unknown, unknown)
    for text in [node.log.read_text(), missing, empty, unknown]:
        expect(SECRET not in text, "a secret is shown")
    print("refused with reasons, and without secrets", flush=True)


def main():
    port = ENDPOINT.rsplit(":", 1)[1]
    with (HOME / "moto.log").open("w") as log:
        server = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", port], stdout=log, stderr=log)
    node = Node("node")
    try:
        until("the S3 server answers", lambda: urllib.request.urlopen(ENDPOINT + "/moto-api/").status == 200)
        account = {"aws_access_key_id": "nexus-tests", "aws_secret_access_key": SECRET, "region_name": "eu-west-1"}
        stories(node, boto3.client("s3", endpoint_url=ENDPOINT, **account))
    except BaseException:
        print(node.log.read_text()[-3_000:] if node.log.exists() else "", file=sys.stderr)
        raise
    finally:
        node.end(signal.SIGKILL)
        server.kill()
        server.wait()


main()
