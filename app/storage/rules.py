"""The two things a bucket has to be told once: which page may put files into it, and what in it is to go after a day."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from app.storage import keys

Rule = Mapping[str, Any]

METHODS = ("GET", "HEAD", "PUT")
_DAY = 1
_CACHE_SECONDS = 3600


def origin_of(public_url: str) -> str:
    """The address as a browser names it to other servers."""
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def cors(origin: str) -> Rule:
    """What the page at ``origin`` needs: to put files, and to read the tag of each part it has put."""
    return {
        "AllowedOrigins": [origin],
        "AllowedMethods": list(METHODS),
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": _CACHE_SECONDS,
    }


def lifecycle(*, ends_uploads: bool) -> list[Rule]:
    """Temporary files go after a day, and so does what of an upload in parts was never completed. Media stay."""
    ending = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _DAY}} if ends_uploads else {}
    rules: list[Rule] = [_rule("carillon-temp", keys.TEMP, {"Expiration": {"Days": _DAY}, **ending})]
    return [*rules, _rule("carillon-media", keys.MEDIA, ending)] if ending else rules


def _rule(name: str, prefix: str, actions: Rule) -> Rule:
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **actions}


def with_cors(there: Sequence[Rule], wanted: Rule) -> list[Rule] | None:
    """The rules there are and the ``wanted`` one, which comes first. ``None``: one of them does already."""
    return None if any(_serves(rule, wanted) for rule in there) else [wanted, *there]


def _serves(rule: Rule, wanted: Rule) -> bool:
    headers = {header.lower() for header in rule.get("AllowedHeaders", ())}
    exposed = {header.lower() for header in rule.get("ExposeHeaders", ())}
    return (
        bool({*wanted["AllowedOrigins"], "*"} & set(rule.get("AllowedOrigins", ())))
        and set(wanted["AllowedMethods"]) <= set(rule.get("AllowedMethods", ()))
        and bool(headers & {"*", "content-type"})
        and "etag" in exposed
    )


def with_lifecycle(there: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule] | None:
    """The rules there are, with ours in the place of older ones of ours. ``None``: all of ours are there."""
    if all(any(_plain(rule) == _plain(ours) for rule in there) for ours in wanted):
        return None
    names = {ours["ID"] for ours in wanted}
    return [*(rule for rule in there if rule.get("ID") not in names), *wanted]


def _plain(rule: Rule) -> Rule:
    """As servers give it back: some put the prefix where it was in older days."""
    prefix = rule.get("Filter", {}).get("Prefix", rule.get("Prefix", ""))
    return {key: value for key, value in rule.items() if key not in ("Filter", "Prefix")} | {"Filter": {"Prefix": prefix}}
