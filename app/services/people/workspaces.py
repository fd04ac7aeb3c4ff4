"""A workspace's own settings."""

from app.errors import Invalid, NotFound
from app.models import LatePolicy, Member, Workspace, reading
from app.zones import ZONES

LATEST = 7 * 24 * 60
"""Minutes; a post that is a week late is late by any measure."""


async def of(member: Member) -> Workspace:
    """The workspace that it is a place in. Raises ``NotFound``."""
    workspace = await reading.get(Workspace, member.workspace_id)
    if workspace is None:
        raise NotFound
    return workspace


KEEP_FILES = (0, 30, 90, 365)
"""Days after its last use that a file may be kept; 0: for ever."""


async def change(
    workspace: Workspace, *, name: str, zone: str, late_policy: str, late_after: str, keep_files: str, alt_required: bool
) -> None:
    """Change the settings; the texts are as typed in a form. Raises ``Invalid``."""
    name, problems = name.strip(), {}
    if not name:
        problems["name"] = "Give the workspace a name."
    if zone not in ZONES:
        problems["zone"] = "Choose a time zone from the list."
    if late_policy not in set(LatePolicy):
        problems["late_policy"] = "Choose one of the three."
    if not late_after.isdecimal() or not 1 <= int(late_after) <= LATEST:
        problems["late_after"] = "Write a number of minutes, from 1 to 10080 (a week)."
    if keep_files not in map(str, KEEP_FILES):
        problems["keep_files"] = "Choose one of the four."
    if problems:
        raise Invalid(problems)
    late = {"late_policy": LatePolicy(late_policy), "late_after": int(late_after)}
    changes = {"name": name, "zone": zone, **late, "keep_files": int(keep_files), "alt_required": alt_required}
    await Workspace.get_pymongo_collection().update_one({"_id": workspace.id}, {"$set": changes})
