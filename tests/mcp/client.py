"""An agent's host, as the official SDK writes one: goes through every tool, resource and refusal of Nexus, over
stdio and over HTTP. Fails with the first thing that is not as it should be."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import httpx2
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

URL, NEXUS, HOME = sys.argv[1:]
TOOLS = {"status", "available", "pick", "claim", "release", "done", "learn", "decide", "checkpoint", "why"}


def ask(method, path, body=None, key=None):
    """One request of the REST contract."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/api{path}", data, headers, method=method)
    return json.load(urllib.request.urlopen(request))["data"]


class Agent:
    """A session of the protocol, and what is expected of it."""

    def __init__(self, session):
        self.session = session

    async def does(self, tool, **arguments):
        result = await self.session.call_tool(tool, arguments)
        assert not result.is_error, (tool, result)
        # The SDK has held it against the tool's own schema by now.
        assert result.structured_content is not None, result
        assert json.loads(result.content[0].text) == result.structured_content, result
        return result.structured_content

    async def is_refused(self, tool, *words, **arguments):
        result = await self.session.call_tool(tool, arguments)
        assert result.is_error, (tool, result)
        text = result.content[0].text
        for word in (*words, "\nNext: "):
            assert word in text, f"{word!r} is not in: {text}"


def paths(claims):
    """The paths of claims, in their order."""
    return [claim["filePath"] for claim in claims]


async def story(agent, other, prefix, holder):
    """One agent works, another one is in its way. `prefix` keeps the two transports apart."""
    listed = (await agent.session.list_tools()).tools
    assert {tool.name for tool in listed} == TOOLS, listed
    assert all(tool.output_schema and tool.description for tool in listed)
    assert not list(snake_case_names([[tool.input_schema, tool.output_schema] for tool in listed]))

    free = {one["slug"] for one in (await agent.does("available"))["free"]}
    assert {f"{prefix}-api", f"{prefix}-docs"} <= free, free
    picked = await agent.does("pick", featureSlug=f"{prefix}-api")
    assert paths(picked["claims"]) == [f"{prefix}/api/"] and picked["spec"] == "Build it.", picked
    assert picked["message"] is None, picked
    again = await agent.does("pick", featureSlug=f"{prefix}-api")
    assert again["message"] == f"you already work on {prefix}-api: nothing has changed", again
    assert (again["fence"], paths(again["claims"])) == (picked["fence"], paths(picked["claims"])), again

    # Whoever works on a feature has to say that it wants another one, too.
    for wanted in [{}, {"featureSlug": f"{prefix}-docs"}, {"lanes": ["icebox"]}]:
        await agent.is_refused("pick", f"you already work on {prefix}-api", "also: true", **wanted)
    second = await agent.does("pick", featureSlug=f"{prefix}-docs", also=True)
    assert (second["slug"], second["message"]) == (f"{prefix}-docs", None), second
    await agent.is_refused("pick", f"{prefix}-api", f"{prefix}-docs")
    assert (await agent.does("release", featureSlug=f"{prefix}-docs"))["featureSlug"] == f"{prefix}-docs"

    await other.is_refused("pick", "FILE_ALREADY_CLAIMED", f"{prefix}/api/", holder, "available", featureSlug=f"{prefix}-clash")
    await other.is_refused("pick", "FEATURE_ALREADY_CLAIMED", "available", featureSlug=f"{prefix}-api")
    blocked = {one["featureSlug"]: one["because"] for one in (await other.does("available"))["blocked"]}
    assert holder in blocked[f"{prefix}-clash"], blocked
    await other.is_refused("claim", "FILE_ALREADY_CLAIMED", holder, paths=[f"{prefix}/api/a.rs"])
    await other.is_refused("done", "status shows", featureSlug=f"{prefix}-api")
    await other.is_refused("release", "status shows", featureSlug=f"{prefix}-api")

    claimed = await agent.does("claim", paths=[f"{prefix}/more.rs"], featureSlug=f"{prefix}-api")
    assert paths(claimed["claims"]) == [f"{prefix}/more.rs"], claimed
    # Without a word about it, a file belongs to the feature that the agent works on.
    assert paths((await agent.does("claim", paths=[f"{prefix}/extra.rs"]))["claims"]) == [f"{prefix}/extra.rs"]
    tied = (await other.does("why", paths=[f"{prefix}/extra.rs"]))["paths"][0]["claims"][0]
    assert tied["featureSlug"] == f"{prefix}-api", tied
    for reader in [agent, other]:
        claims = (await reader.does("claim", paths=[f"{prefix}/read.rs"], mode="shared"))["claims"]
        assert [(claim["filePath"], claim["mode"]) for claim in claims] == [(f"{prefix}/read.rs", "shared")], claims
    standing = {one["path"]: one for one in (await agent.does("why", paths=[f"{prefix}/api/a.rs", f"{prefix}/free.rs"]))["paths"]}
    assert standing[f"{prefix}/api/a.rs"]["standing"] == "mine", standing
    assert standing[f"{prefix}/free.rs"]["standing"] == "free", standing
    seen = (await other.does("why", paths=[f"{prefix}/api/a.rs"]))["paths"][0]
    assert (seen["standing"], seen["claims"][0]["featureSlug"]) == ("held", f"{prefix}-api"), seen
    assert (await agent.does("release", paths=[f"{prefix}/more.rs"]))["released"] == [f"{prefix}/more.rs"]
    await agent.is_refused("release", "your session holds none of", "why", paths=[f"{prefix}/more.rs"])
    await other.is_refused("release", "your session holds none of", "why", paths=[f"{prefix}/api/"])
    await agent.is_refused("release", f"is one of the files of {prefix}-api", "done finishes", paths=[f"{prefix}/api/"])
    await agent.is_refused("release", "either featureSlug or paths")

    status = await agent.does("status")
    active = {one["slug"]: one["heldBy"] for one in status["activeFeatures"]}
    assert holder in active[f"{prefix}-api"], status
    assert f"{prefix}/api/" in paths(status["mine"]), status
    assert {f"{prefix}/api/", f"{prefix}/read.rs"} <= set(paths(status["claims"])), status
    assert f"{prefix}/api/" not in paths((await other.does("status"))["mine"])

    learnt = await agent.does("learn", featureSlug=f"{prefix}-api", content="Cents, not floats")
    assert learnt["id"] and learnt["createdAt"] and learnt["featureSlug"] == f"{prefix}-api", learnt
    assert (await agent.does("decide", title="Use SQLite", decision="One file", featureSlug=f"{prefix}-api"))["id"]
    assert (await agent.does("decide", title="No ORM", decision="None", rationale="Slow"))["featureSlug"] is None
    saved = await agent.does("checkpoint", featureSlug=f"{prefix}-api", notes="Half way", context={"gitBranch": "main"})
    assert saved["id"] and saved["featureSlug"] == f"{prefix}-api", saved

    uris = {str(one.uri) for one in (await agent.session.list_resources()).resources}
    spec, learnings = f"nexus://features/{prefix}-api/spec", f"nexus://features/{prefix}-api/learnings"
    assert {spec, learnings} <= uris, uris
    assert len((await agent.session.list_resource_templates()).resource_templates) == 2
    for uri, text in [(spec, "Build it."), (learnings, "Cents, not floats")]:
        content = (await agent.session.read_resource(uri)).contents[0]
        assert text in content.text and content.mime_type == "text/markdown", content

    assert (await agent.does("done", featureSlug=f"{prefix}-api"))["status"] == "done"
    assert (await other.does("why", paths=[f"{prefix}/extra.rs"]))["paths"][0]["standing"] == "free"
    await agent.is_refused("done", "INVALID_STATUS_TRANSITION", "already", "available", featureSlug=f"{prefix}-api")
    await agent.is_refused("done", "INVALID_STATUS_TRANSITION", "pick takes it first", featureSlug=f"{prefix}-clash")
    clash = await other.does("pick", featureSlug=f"{prefix}-clash")
    assert clash["learnings"] == [], clash
    assert (await other.does("learn", featureSlug=f"{prefix}-clash", content="Twice"))["id"]
    known = (await other.does("pick", featureSlug=f"{prefix}-clash"))["learnings"]
    assert [(one["content"], one["engineerName"]) for one in known] == [("Twice", "Ana")], known
    assert (await other.does("release", featureSlug=f"{prefix}-clash"))["featureSlug"] == f"{prefix}-clash"
    assert (await agent.does("pick", lanes=["icebox"]))["slug"] == f"{prefix}-docs"
    assert (await agent.does("done", featureSlug=f"{prefix}-docs"))["status"] == "done"

    # What is wrong with a call is for the model to put right; what is wrong with the protocol is the host's.
    await agent.is_refused("pick", "NOT_FOUND", "no-such-feature", "available", featureSlug="no-such-feature")
    await agent.is_refused("pick", "NOT_FOUND", featureSlug="../../cluster/status")
    await agent.is_refused("pick", "NOT_FOUND", "nexus feature ready", lanes=["later"])
    await agent.is_refused("claim", "VALIDATION_ERROR", "../../etc/passwd", paths=["../../etc/passwd"])
    await agent.is_refused("claim", "claim does not take these arguments", "paths", "call claim again")
    await agent.is_refused("claim", "claim does not take these arguments", paths="not-a-list")
    await agent.is_refused("pick", "pick does not take these arguments", "lane", "lanes", lane="now")
    await agent.is_refused("done", "done does not take these arguments", "featureSlug", feature="api")
    for wrong in [agent.session.call_tool("no-such-tool", {}), agent.session.read_resource("nexus://nothing"),
                  agent.session.read_resource("nexus://features/no-such-feature/spec")]:
        try:
            await wrong
        except MCPError:
            continue
        raise AssertionError("it was answered")


def snake_case_names(schema):
    """The names of properties in a schema that are not camelCase."""
    if isinstance(schema, dict):
        yield from (name for name in schema.get("properties", {}) if "_" in name)
        for value in schema.values():
            yield from snake_case_names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from snake_case_names(value)


def over_http(key, agent, more=""):
    """A transport to the node itself, as that agent."""
    headers = {"Authorization": f"Bearer {key}"}
    return streamable_http_client(f"{URL}/mcp?agent={agent}{more}", http_client=httpx2.AsyncClient(headers=headers))


def post(path, headers, body):
    request = urllib.request.Request(URL + path, body, {"Content-Type": "application/json",
        "Accept": "application/json, text/event-stream"} | headers, method="POST")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as refused:
        return refused.code


async def as_the_engineer(ana, agent):
    """An agent without a name acts as the engineer's default session: what other sessions hold is not its own."""
    other = over_http(ana, "elsewhere")
    async with other as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        await Agent(session).does("claim", paths=["elsewhere.rs"])
    picked = await agent.does("pick", featureSlug="plain")
    assert paths(picked["claims"]) == ["plain/"], picked
    assert (await agent.does("pick", featureSlug="plain"))["message"], "it says so"
    await agent.is_refused("pick", "you already work on plain", "also: true")
    standing = {one["path"]: one["standing"] for one in (await agent.does("why", paths=["plain/a.rs", "elsewhere.rs"]))["paths"]}
    assert standing == {"plain/a.rs": "mine", "elsewhere.rs": "held"}, standing
    assert paths((await agent.does("status"))["mine"]) == ["plain/"]
    await agent.is_refused("release", "your session holds none of", paths=["elsewhere.rs"])
    await agent.is_refused("claim", "FILE_ALREADY_CLAIMED", "elsewhere", paths=["elsewhere.rs"])
    claimed = await agent.does("claim", paths=["beside.rs"])
    tied = (await agent.does("why", paths=["beside.rs"]))["paths"][0]["claims"][0]
    assert tied["featureSlug"] == "plain", (claimed, tied)
    assert (await agent.does("release", featureSlug="plain"))["featureSlug"] == "plain"


async def main():
    with open(os.path.join(HOME, "data/bootstrap-token")) as file:
        token = file.read().strip()
    ana = ask("POST", "/auth/register", {"name": "Ana", "email": "ana@example.com", "bootstrapToken": token})["apiKey"]
    project = ask("POST", "/projects", {"name": "Shop", "slug": "shop"}, ana)["id"]
    for prefix in ["stdio", "http"]:
        for slug, touches, lane in [("api", "api/", "now"), ("clash", "api/", "next"), ("docs", "docs/", "icebox")]:
            path = f"/projects/{project}/features"
            ask("POST", path, {"slug": f"{prefix}-{slug}", "title": slug, "spec": "Build it.", "lane": lane,
                               "touches": [f"{prefix}/{touches}"]}, ana)
            ask("POST", f"{path}/{prefix}-{slug}/ready", key=ana)

    repository = os.path.join(HOME, "repository")
    os.makedirs(repository)
    with open(os.path.join(repository, ".nexus.json"), "w") as file:
        json.dump({"projectId": project, "projectSlug": "shop"}, file)
    environment = {"NEXUS_HOME": os.path.join(HOME, "nexus"), "NEXUS_SERVER": URL, "NEXUS_TOKEN": ana}

    def program(agent):
        session = subprocess.run([NEXUS, "session", "start", "--agent", agent], cwd=repository, check=True, text=True,
                                 capture_output=True, env=os.environ | environment).stdout.strip()
        return StdioServerParameters(command=NEXUS, args=["mcp"], cwd=repository, env=environment | {"NEXUS_SESSION": session})

    print("over stdio")
    async with stdio_client(program("one")) as (read, write), stdio_client(program("two")) as (read2, write2):
        async with ClientSession(read, write) as one, ClientSession(read2, write2) as two:
            for session in [one, two]:
                hello = await session.initialize()
                assert hello.server_info.name == "nexus" and hello.instructions, hello
            await story(Agent(one), Agent(two), "stdio", "Ana's agent one")

    print("over stdio, with nothing said about who acts")
    ask("POST", f"/projects/{project}/features", {"slug": "alone", "title": "alone", "spec": "Build it.", "touches": ["alone/"]}, ana)
    ask("POST", f"/projects/{project}/features/alone/ready", key=ana)
    alone = StdioServerParameters(command=NEXUS, args=["mcp"], cwd=repository, env=environment)
    async with stdio_client(alone) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        # A host lists before its agent does anything: that must not settle who acts.
        await session.list_resources()
        agent = Agent(session)
        assert paths((await agent.does("pick", featureSlug="alone"))["claims"]) == ["alone/"]
        laid_out = os.path.join(repository, ".nexus/active/alone/spec.md")
        assert os.path.exists(laid_out)
        await agent.does("claim", paths=["alone.rs"])
        assert (await agent.does("done", featureSlug="alone"))["status"] == "done"
        assert not os.path.exists(laid_out)
        assert (await agent.does("why", paths=["alone.rs"]))["paths"][0]["standing"] == "free"

    print("over HTTP")
    async with over_http(ana, "three") as streams, over_http(ana, "four", "&project=shop") as streams2:
        async with ClientSession(streams[0], streams[1]) as one, ClientSession(streams2[0], streams2[1]) as two:
            for session in [one, two]:
                await session.initialize()
            await story(Agent(one), Agent(two), "http", "Ana's agent three")

    print("as the engineer, over both")
    ask("POST", f"/projects/{project}/features", {"slug": "plain", "title": "plain", "spec": "Build it.", "touches": ["plain/"]}, ana)
    ask("POST", f"/projects/{project}/features/plain/ready", key=ana)
    plain = StdioServerParameters(command=NEXUS, args=["mcp"], cwd=repository, env=environment | {"NEXUS_SESSION": "none"})
    headers = {"Authorization": f"Bearer {ana}"}
    plain_http = streamable_http_client(f"{URL}/mcp", http_client=httpx2.AsyncClient(headers=headers))
    for transport in [stdio_client(plain), plain_http]:
        async with transport as streams, ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
            await as_the_engineer(ana, Agent(session))

    print("who may not, and what is none")
    hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}).encode()
    good = {"Authorization": f"Bearer {ana}"}
    assert post("/mcp", good, hello) == 200
    assert post("/mcp", {}, hello) == 401
    assert post("/mcp", {"Authorization": "Bearer nexus_eng_wrong"}, hello) == 401
    assert post("/mcp?project=nowhere", good, hello) == 400
    assert post("/mcp", good | {"Origin": "http://evil.example"}, hello) == 403
    assert post("/mcp", good, b"no json") in (400, 415)
    assert post("/mcp", good, b" " * (1 << 21)) == 413
    ask("POST", "/projects", {"name": "Other", "slug": "other"}, ana)
    assert post("/mcp", good, hello) == 400, "one of two projects has to be named"
    assert post("/mcp?project=other", good, hello) == 200

    print("no server answers")
    gone = StdioServerParameters(command=NEXUS, args=["mcp", "--timeout", "500ms"], cwd=repository,
                                 env=environment | {"NEXUS_SERVER": "http://127.0.0.1:1"})
    async with stdio_client(gone) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        await Agent(session).is_refused("status", "127.0.0.1:1")


asyncio.run(main())
