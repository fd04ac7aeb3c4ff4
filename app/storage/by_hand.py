"""What a person does where we cannot: commands, or what to click, with the rules to paste."""

import json
from collections.abc import Mapping, Sequence

from app.settings import Provider, StorageSettings
from app.storage import keys
from app.storage.rules import Rule

_CORS_PLACES: Mapping[Provider, str] = {
    "aws": "In the S3 console: the bucket, Permissions, Cross-origin resource sharing (CORS), Edit. "
    "Or give our keys s3:GetBucketCORS and s3:PutBucketCORS.",
    "r2": "In Cloudflare's dashboard: R2, the bucket, Settings, CORS policy, Edit. "
    "Or use a token of the kind Admin Read & Write for this one command.",
    "minio": "Where MinIO takes no rule for a bucket, it has one for all of them: "
    "mc admin config set ALIAS api cors_allow_origin={origin}, then mc admin service restart ALIAS. Else:",
    "other": "In your provider's console, under CORS.",
}
_LIFECYCLE_PLACES: Mapping[Provider, str] = {
    "aws": "In the S3 console: the bucket, Management, Lifecycle rules. "
    "Or give our keys s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration.",
    "r2": "In Cloudflare's dashboard: R2, the bucket, Settings, Object lifecycle rules. "
    "Or use a token of the kind Admin Read & Write for this one command.",
    "minio": "mc ilm rule add --prefix temp/ --expire-days 1 ALIAS/{bucket} does it. "
    "MinIO ends unfinished uploads by itself. Or:",
    "other": "In your provider's console, under lifecycle or expiration. Without it our workers remove the same, once an hour.",
}


def cors(settings: StorageSettings, rule: Rule) -> str:
    """How to let our pages put files into the bucket."""
    if settings.provider == "gcs":
        google = {
            "origin": rule["AllowedOrigins"],
            "method": rule["AllowedMethods"],
            "responseHeader": ["Content-Type", *rule["ExposeHeaders"]],
            "maxAgeSeconds": rule["MaxAgeSeconds"],
        }
        return _google("CORS rule", settings, "cors", [google])
    place = _CORS_PLACES[settings.provider].format(origin=rule["AllowedOrigins"][0])
    return f"{place}\n{_shown([rule])}"


def lifecycle(settings: StorageSettings, rules: Sequence[Rule]) -> str:
    """How to have temporary files removed."""
    if settings.provider == "gcs":
        ended = {
            "action": {"type": "AbortIncompleteMultipartUpload"},
            "condition": {"age": 1, "matchesPrefix": [keys.TEMP, keys.MEDIA]},
        }
        removed = {"action": {"type": "Delete"}, "condition": {"age": 1, "matchesPrefix": [keys.TEMP]}}
        return _google("lifecycle rules", settings, "lifecycle", {"rule": [removed, ended]})
    place = _LIFECYCLE_PLACES[settings.provider].format(bucket=settings.s3_bucket)
    return f"{place}\n{_shown({'Rules': rules})}"


def _google(what: str, settings: StorageSettings, name: str, content: object) -> str:
    command = f"gcloud storage buckets update gs://{settings.s3_bucket} --{name}-file={name}.json"
    return (
        f"Google takes the {what} in its own words only. Save this as {name}.json (it takes the place of all {what} there are), "
        f"then run\n  {command}\n{_shown(content)}"
    )


def _shown(content: object) -> str:
    return json.dumps(content, indent=2)
