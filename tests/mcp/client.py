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
        for word in words:
            assert word in text, f"{word!r} is not in: {text}"


async def story(agent, other, prefix, holder):
    """One agent works, another one is in its way. `prefix` keeps the two transports apart."""
    listed = (await agent.session.list_tools()).tools
    assert {tool.name for tool in listed} == TOOLS, listed
    assert all(tool.output_schema and tool.description for tool in listed)

    free = {one["feature"] for one in (await agent.does("available"))["free"]}
    assert {f"{prefix}-api", f"{prefix}-docs"} <= free, free
    picked = await agent.does("pick", feature=f"{prefix}-api")
    assert picked["yours"] == [f"{prefix}/api/"] and picked["spec"] == "Build it.", picked

    await other.is_refused("pick", "FILE_ALREADY_CLAIMED", f"{prefix}/api/", holder, "Next: ", feature=f"{prefix}-clash")
    await other.is_refused("pick", "FEATURE_ALREADY_CLAIMED", feature=f"{prefix}-api")
    blocked = {one["feature"]: one["because"] for one in (await other.does("available"))["blocked"]}
    assert holder in blocked[f"{prefix}-clash"], blocked
    await other.is_refused("claim", "FILE_ALREADY_CLAIMED", holder, paths=[f"{prefix}/api/a.rs"])
    await other.is_refused("done", "Next: ", feature=f"{prefix}-api")
    await other.is_refused("release", feature=f"{prefix}-api")

    assert (await agent.does("claim", paths=[f"{prefix}/more.rs"], feature=f"{prefix}-api"))["yours"] == [f"{prefix}/more.rs"]
    # Without a word about it, a file belongs to the feature that the agent works on.
    assert (await agent.does("claim", paths=[f"{prefix}/extra.rs"]))["yours"] == [f"{prefix}/extra.rs"]
    tied = (await other.does("why", paths=[f"{prefix}/extra.rs"]))["paths"][0]["claims"][0]
    assert tied["feature"] == f"{prefix}-api", tied
    assert (await agent.does("claim", paths=[f"{prefix}/read.rs"], shared=True))["yours"] == [f"{prefix}/read.rs"]
    assert (await other.does("claim", paths=[f"{prefix}/read.rs"], shared=True))["yours"] == [f"{prefix}/read.rs"]
    standing = {one["path"]: one for one in (await agent.does("why", paths=[f"{prefix}/api/a.rs", f"{prefix}/free.rs"]))["paths"]}
    assert standing[f"{prefix}/api/a.rs"]["standing"] == "yours", standing
    assert standing[f"{prefix}/free.rs"]["standing"] == "free", standing
    seen = (await other.does("why", paths=[f"{prefix}/api/a.rs"]))["paths"][0]
    assert (seen["standing"], seen["claims"][0]["feature"]) == ("held", f"{prefix}-api"), seen
    assert (await agent.does("release", paths=[f"{prefix}/more.rs"]))["paths"] == [f"{prefix}/more.rs"]
    await agent.is_refused("release", "none of", paths=[f"{prefix}/more.rs"])
    await agent.is_refused("release", "either feature or paths")

    status = await agent.does("status")
    active = {one["feature"]: one["holder"] for one in status["active"]}
    assert holder in active[f"{prefix}-api"], status
    assert f"{prefix}/api/" in status["yours"], status
    assert f"{prefix}/api/" not in (await other.does("status"))["yours"]

    assert (await agent.does("learn", feature=f"{prefix}-api", text="Cents, not floats"))["kept"]
    assert (await agent.does("decide", title="Use SQLite", decision="One file", feature=f"{prefix}-api"))["kept"]
    assert (await agent.does("decide", title="No ORM", decision="None", rationale="Slow"))["feature"] is None
    assert (await agent.does("checkpoint", feature=f"{prefix}-api", notes="Half way", context={"branch": "main"}))["kept"]

    uris = {str(one.uri) for one in (await agent.session.list_resources()).resources}
    spec, learnings = f"nexus://features/{prefix}-api/spec", f"nexus://features/{prefix}-api/learnings"
    assert {spec, learnings} <= uris, uris
    assert len((await agent.session.list_resource_templates()).resource_templates) == 2
    for uri, text in [(spec, "Build it."), (learnings, "Cents, not floats")]:
        content = (await agent.session.read_resource(uri)).contents[0]
        assert text in content.text and content.mime_type == "text/markdown", content

    assert (await agent.does("done", feature=f"{prefix}-api"))["status"] == "done"
    assert (await other.does("why", paths=[f"{prefix}/extra.rs"]))["paths"][0]["standing"] == "free"
    await agent.is_refused("done", "INVALID_STATUS_TRANSITION", "already", feature=f"{prefix}-api")
    clash = await other.does("pick", feature=f"{prefix}-clash")
    assert clash["learnings"] == [], clash
    assert (await other.does("release", feature=f"{prefix}-clash"))["feature"] == f"{prefix}-clash"
    assert (await agent.does("pick", lanes=["icebox"]))["feature"] == f"{prefix}-docs"
    assert (await agent.does("done", feature=f"{prefix}-docs"))["status"] == "done"

    # What is wrong with a call is for the model to put right; what is wrong with the protocol is the host's.
    await agent.is_refused("pick", "NOT_FOUND", feature="no-such-feature")
    await agent.is_refused("pick", "NOT_FOUND", feature="../../cluster/status")
    await agent.is_refused("claim", "VALIDATION_ERROR", "../../etc/passwd", paths=["../../etc/passwd"])
    await agent.is_refused("claim", "arguments", "paths")
    await agent.is_refused("claim", "arguments", paths="not-a-list")
    await agent.is_refused("pick", "arguments", "lane", lane="now")
    for wrong in [agent.session.call_tool("no-such-tool", {}), agent.session.read_resource("nexus://nothing"),
                  agent.session.read_resource("nexus://features/no-such-feature/spec")]:
        try:
            await wrong
        except MCPError:
            continue
        raise AssertionError("it was answered")


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
        assert (await agent.does("pick", feature="alone"))["yours"] == ["alone/"]
        laid_out = os.path.join(repository, ".nexus/active/alone/spec.md")
        assert os.path.exists(laid_out)
        await agent.does("claim", paths=["alone.rs"])
        assert (await agent.does("done", feature="alone"))["status"] == "done"
        assert not os.path.exists(laid_out)
        assert (await agent.does("why", paths=["alone.rs"]))["paths"][0]["standing"] == "free"

    print("over HTTP")
    async with over_http(ana, "three") as streams, over_http(ana, "four", "&project=shop") as streams2:
        async with ClientSession(streams[0], streams[1]) as one, ClientSession(streams2[0], streams2[1]) as two:
            for session in [one, two]:
                await session.initialize()
            await story(Agent(one), Agent(two), "http", "Ana's agent three")

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
