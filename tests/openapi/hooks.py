"""What the description of the API cannot say in words of JSON Schema, for the generator of requests."""

import datetime
import re

import schemathesis
from hypothesis import strategies as st

words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789_-äß", min_size=1, max_size=12)
names = st.sampled_from(["*", "**", "?.rs", "[id]", "{a,b}", "..", "."]) | words


@st.composite
def patterns(draw):
    """A file, a folder or a glob that stays in the repository."""
    parts = [draw(words)] + draw(st.lists(names, max_size=3))
    # Going up from a wildcard leads somewhere that nobody can say.
    parts = [part for part in parts if part != ".."]
    return "/".join(parts) + draw(st.sampled_from(["", "/"]))


schemathesis.openapi.format("path-pattern", patterns())

# The one moment that is sent is the end of a key, which is not accepted in the past.
moments = st.datetimes(
    min_value=datetime.datetime(2100, 1, 1), max_value=datetime.datetime(2900, 1, 1)
).map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z")
schemathesis.openapi.format("date-time", moments)

# A feature that exists is named by its slug, too; an id need not be one that exists.
schemathesis.openapi.format("feature", st.uuids().map(str))

# What a page before gave; the first page needs none.
schemathesis.openapi.format("cursor", st.just(""))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Waits for no revision that is to come, and for no event for long; what is no number stays as it is. Names by slugs
    that no wrong id equals."""
    soon = {"X-Nexus-Min-Revision": 0, "since": 0, "waitMs": 100}
    for values in (case.headers, case.query):
        for name, most in soon.items():
            if values and str(values.get(name, "")).isdigit():
                values[name] = str(min(int(values[name]), most))
    # A path may name a project or a feature by its slug in place of its id. What is sent as a wrong id, such as a number,
    # must therefore be the slug of nothing.
    slug = case.body.get("slug") if isinstance(case.body, dict) else None
    if isinstance(slug, str) and re.fullmatch("[a-z0-9-]{1,99}", slug):
        case.body["slug"] = "x" + slug
