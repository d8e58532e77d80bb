"""The checks of tests/deploy/run.

Usage: check.py FOLDER-OF-PROGRAMS TEMPORARY-FOLDER PROMTOOL

Each check is a function. It fails by `expect`, or says by `Skipped` what could not be checked and why.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS, HOME, PROMTOOL = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
NEXUSD, NEXUS = PROGRAMS / "nexusd", PROGRAMS / "nexus"

# Longest wait for what a node does by itself, in seconds. It ends early where it is done.
PATIENCE = 30
# The exposure of the unit by systemd's own scale, from 0 to 10. It may become lower.
HIGHEST_EXPOSURE = 1.2


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def expect(is_so, message):
    if not is_so:
        raise Failed(message)


def run(*command, timeout=60, **options):
    """The exit code and everything that a command prints."""
    command = [str(part) for part in command]
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ran = subprocess.run(command, timeout=timeout, **options)
    return ran.returncode, ran.stdout


def text(path):
    return (ROOT / path).read_text()


class Node:
    """A node of its own, which is stopped at the end."""

    def __init__(self, *arguments, **environment):
        self.log = open(HOME / f"node-{id(self)}.log", "w+")
        command = [str(NEXUSD), *(arguments or ("dev", "--listen", "127.0.0.1:0"))]
        environment = os.environ | {"NEXUS_LOG": "info"} | environment
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log, env=environment)

    def __enter__(self):
        self.addr = wait_for("a node serves", self.serving)
        return self

    def serving(self):
        expect(self.process.poll() is None, f"the node ended: {self.logged()}")
        found = re.search(r'serving.*client_addr="([^"]*)"', self.logged())
        return found and found[1]

    def logged(self):
        return Path(self.log.name).read_text()

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.addr}{path}", timeout=10) as answer:
            return answer.read().decode()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{taken.getsockname()[1]}" for taken in sockets]
    for taken in sockets:
        taken.close()
    return addresses


def wait_for(what, look, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise Failed(f"not within {patience} s: {what}")


# Monitoring


def rules():
    groups = yaml.safe_load(text("deploy/monitoring/alerts.yaml"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    everything = json.loads(text("deploy/monitoring/dashboard.json"))["panels"]
    return [panel for panel in everything if panel["type"] != "row"]


def queries():
    """Every query of the alerts and of the dashboard, with where it is from."""
    yield from ((f"alert {rule['alert']}", rule["expr"]) for rule in rules())
    for panel in panels():
        yield from ((f"panel {panel['title']}", target["expr"]) for target in panel["targets"])


def alerts_have_what_an_operator_needs():
    names = [rule["alert"] for rule in rules()]
    expect(len(set(names)) == len(names), "two alerts have one name")
    index = text("docs/runbooks/README.md")
    for rule in rules():
        name = rule["alert"]
        expect(rule["labels"].get("severity") in ("critical", "warning"), f"{name} has no severity")
        expect(rule["annotations"]["summary"].endswith("."), f"{name} has no sentence as its summary")
        runbook = rule["annotations"]["runbook_url"]
        expect((ROOT / runbook).is_file(), f"{name} has no runbook {runbook}")
        expect(f"`{name}`" in text(runbook), f"{runbook} does not name {name}")
        expect(f"`{name}`" in index and Path(runbook).name in index, f"docs/runbooks/README.md does not list {name}")
    linked = {Path(rule["annotations"]["runbook_url"]).name for rule in rules()}
    there = {path.name for path in (ROOT / "docs/runbooks").glob("*.md")} - {"README.md"}
    # Those that somebody begins by himself are listed below the alerts.
    tasks = set(re.findall(r"\(([a-z-]+\.md)\)", index[index.index("\n## Tasks") :]))
    expect(there == linked | tasks, f"runbooks that are not listed: {there - linked - tasks}")


def promtool_accepts_the_alerts():
    if not PROMTOOL:
        raise Skipped("promtool cannot be had: no package prometheus of a distribution")
    code, said = run(PROMTOOL, "check", "rules", ROOT / "deploy/monitoring/alerts.yaml")
    expect(code == 0, said)
    # Every query of the dashboard, as a rule.
    as_rule = lambda at, query: {"record": f"panel:{at}", "expr": plain(query)}
    file = HOME / "dashboard-rules.yaml"
    records = [as_rule(at, query) for at, (_, query) in enumerate(queries())]
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    code, said = run(PROMTOOL, "check", "rules", "--lint=none", file)
    expect(code == 0, said)


def alerts_fire_when_they_should():
    if not PROMTOOL:
        raise Skipped("promtool cannot be had: no package prometheus of a distribution")
    file = HOME / "alert-stories.yaml"
    file.write_text(text("tests/deploy/alerts.yaml").replace("RULES", str(ROOT / "deploy/monitoring/alerts.yaml")))
    # Hours of samples each minute: a machine that is busy takes more than a minute for them.
    code, said = run(PROMTOOL, "test", "rules", file, timeout=600)
    expect(code == 0, said)


def plain(query):
    return query.replace("$__rate_interval", "1m").replace("$job", "nexus")


def the_dashboard_is_whole():
    dashboard = json.loads(text("deploy/monitoring/dashboard.json"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    expect(len(set(ids)) == len(ids), "two panels have one id")
    for panel in panels():
        expect(panel["description"].endswith("."), f"panel {panel['title']} is not described")
        place = panel["gridPos"]
        expect(place["x"] + place["w"] <= 24, f"panel {panel['title']} is wider than the page")


def every_metric_that_is_named_exists():
    # With certificates, since some metrics are about them; so this is also how an operator makes and uses them.
    certs = HOME / "certs"
    for command in [("init",), ("issue", "--node", "1")]:
        code, said = run(NEXUS, "cluster", "certs", *command, "--dir", certs)
        expect(code == 0, said)
    clients, peers, monitoring = free_addresses(3)
    flags = ["--node-id", "1", "--initial-cluster", f"1={peers}", "--data-dir", str(HOME / "encrypted")]
    flags += ["--listen", clients, "--peer-listen", peers, "--metrics-listen", monitoring]
    flags += ["--backup-to", str(HOME / "backups")]
    with Node("start", *flags, "--certs-dir", str(certs / "node-1")) as node:
        node.addr = monitoring
        healthy = lambda *more: run(NEXUSD, "health", *more)[0] == 0
        wait_for("health by https", lambda: healthy("--addr", clients, "--ca", certs / "ca.crt"))
        expect(healthy("--addr", monitoring), "the listener for monitoring tells health in plain text")
        code, said = run(NEXUSD, "health", "--addr", clients)
        expect(code == 1 and "--ca" in said, f"nexusd health by plain text: {code} {said}")
        code, said = image_health(clients, NEXUS_CERTS_DIR=str(certs / "node-1"))
        expect(code == 0 and "is ready" in said, f"the health check of the image, with certificates: {code} {said}")
        shown = set(re.findall(r"^# TYPE (nexus_\w+)", node.get("/metrics"), re.M))
    expect(len(shown) > 20, "the node shows its metrics")
    named = [(where, query) for where, query in queries()]
    named += [(path.name, path.read_text()) for path in (ROOT / "docs/runbooks").glob("*.md")]
    for where, query in named:
        for name in re.findall(r"\bnexus_[a-z_]+", query):
            name = re.sub(r"_(bucket|sum|count)$", "", name)
            expect(name in shown, f"{where} names {name}, which no node measures")


# Runbooks


def commands(page):
    """The commands of Nexus in a page: between backticks, or in an indented line, up to a pipe."""
    page = re.sub(r"\\\n\s*", "", page)
    inline = [re.sub(r"\s+", " ", found) for found in re.findall(r"`(nexusd? [^`]+)`", page)]
    lines = re.findall(r"^ {4,}(?:sudo )?(nexusd? [^|\n]*)", page, re.M)
    return inline + [re.sub(r"\s+#.*", "", line) for line in lines]


def commands_in_runbooks_exist():
    helps = {}

    def help_of(*words):
        if words not in helps:
            program = {"nexus": NEXUS, "nexusd": NEXUSD}[words[0]]
            helps[words] = run(program, *words[1:], "--help")
        return helps[words]

    for path in sorted((ROOT / "docs/runbooks").glob("*.md")):
        for command in commands(path.read_text()):
            words = []
            for word in command.split():
                if not re.fullmatch(r"[a-z][a-z-]*", word):
                    break
                words.append(word)
            code, said = help_of(*words)
            named = " ".join(words)
            expect(code == 0 and f"Usage: {named}" in said, f"{path.name}: no command {named!r}")
            for option in re.findall(r"(--[a-z-]+)", command):
                known = said + (help_of("nexus")[1] if words[0] == "nexus" else "")
                expect(option in known, f"{path.name}: {named} has no option {option}")


# systemd


def the_unit_is_valid_and_hardened():
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        raise Skipped("systemd-analyze is not here")
    folder = HOME / "units"
    folder.mkdir(exist_ok=True)
    unit = folder / "nexusd.service"
    # The program is where it was built, and not where the package puts it.
    unit.write_text(text("deploy/systemd/nexusd.service").replace("/usr/bin/nexusd", str(NEXUSD)))
    code, said = run(analyze, "verify", unit)
    expect(code == 0 and not said.strip(), f"systemd-analyze verify: {said}")
    code, said = run(analyze, "security", "--offline=yes", "--no-pager", unit)
    found = re.search(r"Overall exposure level for nexusd.service: ([0-9.]+)", said)
    if not found:
        raise Skipped(f"this systemd-analyze tells no exposure of a file: {said.strip()[:100]}")
    expect(float(found[1]) <= HIGHEST_EXPOSURE, f"the exposure of the unit is {found[1]}, above {HIGHEST_EXPOSURE}")


def the_settings_of_the_package_are_valid():
    code, said = run(NEXUSD, "start", "--config", ROOT / "deploy/systemd/nexusd.toml", "--check-config")
    expect(code == 0, said)


def a_service_manager_is_kept_informed():
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = HOME / "notify"
    manager.bind(str(path))
    manager.settimeout(0.2)
    reports = []

    def received(part):
        try:
            while True:
                reports.append(manager.recv(4096).decode())
        except TimeoutError:
            pass
        return any(part in report for report in reports)

    with Node(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="2000000") as node:
        wait_for("READY=1", lambda: received("READY=1"))
        wait_for("the status says that it leads", lambda: received("STATUS=Node 1 leads"))
        reports.clear()
        wait_for("a sign of life", lambda: received("WATCHDOG=1"))
        reports.clear()
        node.process.send_signal(signal.SIGHUP)
        wait_for("RELOADING=1", lambda: received("RELOADING=1"))
        wait_for("READY=1 after the reload", lambda: received("READY=1"))
        code, said = run(NEXUSD, "health", "--addr", node.addr)
        expect(code == 0 and "is ready" in said, f"nexusd health: {code} {said}")
        # A process that hangs sends nothing.
        node.process.send_signal(signal.SIGSTOP)
        received("")
        reports.clear()
        time.sleep(1)
        expect(not received("WATCHDOG=1"), "a stopped process sends signs of life")
        node.process.send_signal(signal.SIGCONT)
        node.process.terminate()
        wait_for("STOPPING=1", lambda: received("STOPPING=1"))
        expect(node.process.wait(15) == 0, "the node does not stop in order")
    code, said = run(NEXUSD, "health", "--addr", node.addr)
    expect(code == 1 and "no node answers" in said and said.count("\n") == 1, f"nexusd health: {code} {said}")


# Containers


def image_health(listen, **environment):
    """What the health check of the image says about a node that listens there, with the variables of its container."""
    file = text("deploy/container/Dockerfile").replace("\\\n", " ")
    command = re.search(r"^HEALTHCHECK .*? CMD (.*)$", file, re.M)[1]
    environment |= {"NEXUS_LISTEN": "0.0.0.0:" + listen.rpartition(":")[2], "PATH": f"{PROGRAMS}:/usr/bin:/bin"}
    return run("/bin/sh", "-c", command, env=environment)


def the_image_knows_the_health_of_its_node():
    # It waits for the second one of a new cluster, and says so before it can do anything else.
    clients, peers, monitoring, nobody = free_addresses(4)
    flags = ["--node-id", "1", "--initial-cluster", f"1={peers},2={nobody}", "--data-dir", str(HOME / "waits")]
    flags += ["--listen", clients, "--peer-listen", peers, "--metrics-listen", monitoring]
    node = Node("start", *flags)
    try:
        wait_for("a node that waits tells its health", lambda: "no node answers" not in image_health(clients)[1])
        code, said = image_health(clients)
        expect(code == 1, f"a node that waits is not healthy: {said}")
    finally:
        node.__exit__()
    with Node() as node:
        code, said = image_health(node.addr)
        expect(code == 0 and "is ready" in said, f"the health check of the image: {code} {said}")


def data_is_in_a_folder_of_the_volume():
    """Since a mount point cannot be renamed, `nexusd restore` cannot make it anew."""
    volume = re.search(r"^VOLUME (\S+)", text("deploy/container/Dockerfile"), re.M)[1]
    data = re.search(r"NEXUS_DATA_DIR=(\S+)", text("deploy/container/Dockerfile"))[1]
    expect(Path(data).parent == Path(volume), f"{data} is not a folder of {volume}")
    for name, service in yaml.safe_load(text("deploy/container/compose.yaml"))["services"].items():
        expect("NEXUS_DATA_DIR" not in service.get("environment", {}), f"{name} has its data elsewhere")
        if name.startswith("node"):
            expect(any(mount.endswith(f":{volume}") for mount in service["volumes"]), f"{name} has no volume")


def the_image_is_small_and_runs_without_rights():
    file = text("deploy/container/Dockerfile")
    stages = re.findall(r"^FROM (\S+)", file, re.M)
    expect(len(stages) == 2 and "slim" in stages[-1], "the image is built in two stages, and the last one is slim")
    last = file[file.rindex("\nFROM ") :]
    for wanted in ["USER 10001", "HEALTHCHECK ", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["nexusd"]']:
        expect(f"\n{wanted}" in last, f"the image has no {wanted}")
    expect(".cargo" in text(".dockerignore").split(), "settings of this machine's cargo would be in the image")


def the_compose_file_starts_three_nodes_with_tls():
    services = yaml.safe_load(text("deploy/container/compose.yaml"))["services"]
    nodes = {name: service for name, service in services.items() if name.startswith("node")}
    expect(len(nodes) == 3, "there are three nodes")
    ports = set()
    for number, (name, service) in enumerate(sorted(nodes.items()), 1):
        expect(service["command"][:3] == ["start", "--node-id", str(number)], f"{name} has another id")
        certs = service["environment"].get("NEXUS_CERTS_DIR")
        expect(certs == f"/etc/nexus/node-{number}", f"{name} has no certificates of its own: {certs}")
        members = service["environment"]["NEXUS_INITIAL_CLUSTER"]
        expect(f"{number}={name}:7501" in members, f"{name} is not in the cluster")
        expect(service["env_file"] == [{"path": "nexusd.env", "required": False}], f"{name} takes no further settings")
        ports.update(service["ports"])
        expect(all(port.startswith("127.0.0.1:") for port in service["ports"]), f"{name} is open to the network")
    expect(len(ports) == 3, "each node has a port of its own")


def three_containers_form_a_cluster():
    engine = next((name for name in ("docker", "podman") if shutil.which(name) and run(name, "info")[0] == 0), None)
    if not engine:
        raise Skipped("no container engine answers, so the image is not built")
    if run(engine, "compose", "version")[0] != 0:
        raise Skipped(f"{engine} has no compose")
    file = ROOT / "deploy/container/compose.yaml"
    compose = [engine, "compose", "--project-name", f"nexus-test-{os.getpid()}", "--file", file]
    health = ["nexusd", "health", "--addr", "127.0.0.1:7401", "--ca", "/etc/nexus/authority/ca.crt"]
    try:
        code, said = run(*compose, "up", "--build", "--detach", timeout=3600)
        expect(code == 0, said[-3000:])
        healthy = lambda: all(run(*compose, "exec", "-T", f"node{n}", *health)[0] == 0 for n in (1, 2, 3))
        wait_for("three healthy nodes", healthy, 120)
    finally:
        run(*compose, "down", "--volumes", "--rmi", "local", timeout=300)


# Helm


def chart():
    """A copy of the chart without links, each of which Helm's library logs."""
    copy = HOME / "chart"
    if not copy.exists():
        shutil.copytree(ROOT / "deploy/chart", copy)
    return str(copy)


def rendered(values):
    import helm_python

    with helm_python.Chart.load(chart()) as loaded:
        files = loaded.render(values, name="team", namespace="work")
    objects = [found for name, file in files.items() if name.endswith(".yaml") for found in yaml.safe_load_all(file)]
    return {(found["kind"], found["metadata"]["name"]): found for found in objects if found}


def lint(values):
    """What Helm has against the chart with these values."""
    import helm_python

    report = helm_python.lint(chart(), SECRET | values)
    # 1 is information, 2 a warning, 3 an error.
    return [message["error"] for message in report["messages"] if message["severity"] > 1]


MANAGED = {
    "tls": {
        "certManager": {
            "enabled": True,
            "clusterId": "0198c0de-0000-7000-8000-000000000001",
            "issuerRef": {"kind": "Issuer", "name": "ca"},
        }
    },
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True, "runbooks": "https://wiki.example.com/"},
    "settings": {"NEXUS_HEARTBEAT_MS": 150},
    "allowedHosts": ["nexus.example.com"],
    "clusterSecret": {"create": True},
}


SECRET = {"clusterSecret": {"existingSecret": "nodes"}}
# Only pod 0, whose data folder comes from a backup; the others follow once there is a token.
RESTORED = {"replicas": 1, "join": {"all": True, "secretName": "token"}} | SECRET


def refused(why, values):
    try:
        rendered(values)
    except Exception as error:
        expect(why in str(error), f"the chart refuses {values} for another reason: {error}")
    else:
        raise Failed(f"the chart takes {values}")


def needs_helm():
    try:
        import helm_python as _
    except ImportError:
        raise Skipped("helm-python-sdk cannot be had from PyPI here, so the chart's values are only parsed")


def the_chart_is_valid():
    schema = json.loads(text("deploy/chart/values.schema.json"))
    values = yaml.safe_load(text("deploy/chart/values.yaml"))
    expect(set(values) <= set(schema["properties"]), "each value is in the schema")
    needs_helm()
    for good in [{}, MANAGED, {"tls": {"enabled": False}}, {"replicas": 4, "join": {"secretName": "token"}}, RESTORED]:
        found = lint(good)
        expect(not found, f"helm lint with {good}: {found}")
    for bad in [
        {"replica": 5},
        {"initialReplicas": 2},
        {"tls": {"certManager": {"enabled": True}}},
        {"tls": {"certManager": MANAGED["tls"]["certManager"] | {"clusterId": "mine"}}},
        {"settings": {"heartbeat-ms": 1}},
        {"backups": {"to": "https://host/bucket"}},
        {"backups": {"to": "s3://bucket", "keep": 0}},
    ]:
        expect(lint(bad), f"helm lint takes {bad}")
    refused("initialReplicas", {"replicas": 1} | SECRET)


def the_chart_keeps_a_quorum():
    needs_helm()
    found = rendered(MANAGED)
    pods = found["StatefulSet", "team-nexus"]["spec"]
    expect(pods["podManagementPolicy"] == "Parallel", "a new cluster waits for all of its nodes")
    expect(found["PodDisruptionBudget", "team-nexus"]["spec"]["maxUnavailable"] == 1, "one node may be away")
    peers = found["Service", "team-nexus-peers"]["spec"]
    expect(peers["publishNotReadyAddresses"], "nodes find each other before they are ready")
    expect(peers["clusterIP"] == "None", "each node has a name of its own")
    container = pods["template"]["spec"]["containers"][0]
    expect(container["livenessProbe"]["httpGet"]["path"] == "/health/live", "a node without a quorum is not restarted")
    startup = container["startupProbe"]
    expect(startup["periodSeconds"] * startup["failureThreshold"] >= 300, "a node has five minutes to open its data")
    asked = container["readinessProbe"]["httpGet"]
    expect(asked == {"path": "/health/ready", "port": "clients", "scheme": "HTTPS"}, f"readiness is asked as {asked}")
    expect(container["securityContext"]["readOnlyRootFilesystem"], "the root file system cannot be written")
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    members = [f"{n + 1}=team-nexus-{n}.team-nexus-peers.work.svc.cluster.local:7501" for n in range(3)]
    initial = environment["INITIAL_CLUSTER"]
    expect(initial == ",".join(members), f"the initial cluster is {initial}")
    expect(environment["NEXUS_HEARTBEAT_MS"] == "150", "settings are handed on")
    certificate = found["Certificate", "team-nexus"]["spec"]
    expect(certificate["uris"] == ["nexus://0198c0de-0000-7000-8000-000000000001/node"], "it names the cluster")
    expect("nexus.example.com" in certificate["dnsNames"], "the certificate is for the names of clients")
    monitor = found["ServiceMonitor", "team-nexus"]["spec"]
    expect(monitor["jobLabel"] == "app.kubernetes.io/name", "alerts expect job=nexus")
    expect(("Secret", "team-nexus-cluster-secret") in found, "the nodes have a secret")
    groups = found["PrometheusRule", "team-nexus"]["spec"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"]]
    expect([rule["alert"] for rule in alerts] == [rule["alert"] for rule in rules()], "the chart has all alerts")
    expect(alerts[0]["annotations"]["runbook_url"] == "https://wiki.example.com/no-leader.md", "runbooks are found")
    expect("{{ $labels.instance }}" in str(alerts), "Prometheus, and not Helm, fills in the labels")


def the_chart_makes_no_second_secret():
    """What renders it anew each time, such as Argo CD, finds no former secret, and would give the nodes another one."""
    needs_helm()
    refused("clusterSecret.existingSecret", {})
    name = ("Secret", "team-nexus-cluster-secret")
    expect(name in rendered({"clusterSecret": {"create": True}}), "helm install makes a secret where it is asked to")
    found = rendered(SECRET)
    expect(name not in found, "there is a secret already")
    volumes = found["StatefulSet", "team-nexus"]["spec"]["template"]["spec"]["volumes"]
    expect(volumes[0]["secret"]["secretName"] == "nodes", f"the nodes use {volumes[0]}")


def the_chart_starts_nodes_as_nexusd_takes_them():
    """The script of the container, with a `nexusd` that prints its arguments."""
    needs_helm()
    programs = HOME / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "nexusd").write_text('#!/bin/sh\necho "$@"\n')
    (programs / "nexusd").chmod(0o755)

    def started(values, pod, **more):
        container = rendered(SECRET | values)["StatefulSet", "team-nexus"]["spec"]["template"]["spec"]["containers"][0]
        environment = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
        environment |= {"POD_NAME": f"team-nexus-{pod}", "PATH": f"{programs}:/usr/bin:/bin"} | more
        code, said = run(*container["command"], env=environment)
        expect(code == 0, said)
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        folder = Path(environment["NEXUS_DATA_DIR"])
        expect(folder.parent == Path(mounts["data"]), f"{folder} is not a folder of its volume")
        return said

    expect("start --node-id 1 --initial-cluster 1=team-nexus-0" in started({}, 0), "the first pod is node 1")
    third = started({}, 2)
    expect("--node-id 3" in third and "--certs-dir /etc/nexus/certs" in third, third)
    expect("--peer-advertise team-nexus-2.team-nexus-peers.work.svc.cluster.local:7501" in third, third)
    expect("--insecure-peers" in started({"tls": {"enabled": False}}, 0), "plain text is said aloud")
    joins = started({"replicas": 4}, 3, NEXUS_JOIN_TOKEN="nexus_join_x")
    expect("start --join https://team-nexus-0." in joins and "--node-id" not in joins, joins)
    expect("--join" not in started({"replicas": 4}, 3), "a node that has joined needs no token")
    restored = started(RESTORED, 0)
    expect("--join" not in restored and "--initial-cluster" not in restored, f"pod 0 has the restored data: {restored}")
    second = started(RESTORED | {"replicas": 3}, 1, NEXUS_JOIN_TOKEN="nexus_join_x")
    expect("start --join https://team-nexus-0." in second and "--node-id" not in second, second)
    template = lambda values: rendered(values)["StatefulSet", "team-nexus"]["spec"]["template"]
    expect(template(RESTORED) == template(RESTORED | {"replicas": 3}), "pod 0 does not restart when the others follow")
    lost = started(RESTORED | {"replicas": 3}, 0, NEXUS_JOIN_TOKEN="nexus_join_x")
    expect(",https://team-nexus-1." in lost, f"pod 0 joins through pod 1 when its volume is lost later: {lost}")
    expect("--initial-cluster" not in started(RESTORED, 2), "no node forms a cluster beside the restored one")


def the_chart_hands_on_the_schedule_of_backups():
    needs_helm()
    backups = {"to": "s3://bucket/nexus", "every": "6h", "keepFor": "30d", "credentialsSecret": "store"}

    def pod(values):
        return rendered(SECRET | values)["StatefulSet", "team-nexus"]["spec"]["template"]["spec"]

    def settings(values):
        container = pod(values)["containers"][0]
        found = {variable["name"]: variable.get("value") for variable in container["env"]}
        return {name: value for name, value in found.items() if "BACKUP" in name}, container.get("envFrom")

    expect(settings({}) == ({}, None), f"no backups are taken unless they are asked for: {settings({})}")
    given, secret = settings({"backups": backups})
    expect(secret == [{"secretRef": {"name": "store"}}], f"the credentials come from {secret}")
    wanted = {"NEXUS_BACKUP_TO": "s3://bucket/nexus", "NEXUS_BACKUP_EVERY": "6h", "NEXUS_BACKUP_KEEP": "48"}
    expect(given == wanted | {"NEXUS_BACKUP_KEEP_FOR": "30d"}, f"the schedule is handed on as {given}")
    named = text("docs/configuration.md")
    expect(all(f"--{name[6:].lower().replace('_', '-')}" in named for name in given), "nexusd has these settings")
    expect(pod({"serviceAccountName": "writer"})["serviceAccountName"] == "writer", "the pods may have a role")


CHECKS = [
    alerts_have_what_an_operator_needs,
    promtool_accepts_the_alerts,
    alerts_fire_when_they_should,
    the_dashboard_is_whole,
    every_metric_that_is_named_exists,
    commands_in_runbooks_exist,
    the_unit_is_valid_and_hardened,
    the_settings_of_the_package_are_valid,
    a_service_manager_is_kept_informed,
    the_image_is_small_and_runs_without_rights,
    the_image_knows_the_health_of_its_node,
    data_is_in_a_folder_of_the_volume,
    the_compose_file_starts_three_nodes_with_tls,
    three_containers_form_a_cluster,
    the_chart_is_valid,
    the_chart_keeps_a_quorum,
    the_chart_makes_no_second_secret,
    the_chart_starts_nodes_as_nexusd_takes_them,
    the_chart_hands_on_the_schedule_of_backups,
]


def main():
    passed, failed, skipped = 0, 0, 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            check()
            passed += 1
        except Skipped as reason:
            skipped += 1
            print(f"deploy: SKIPPED: {name}: {reason}")
        except Exception as error:
            failed += 1
            kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
            print(f"deploy: FAILED: {name}: {kind}{error}")
    print(f"deploy: {passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
