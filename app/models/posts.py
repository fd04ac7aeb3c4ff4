"""What people write: posts and their variants."""

from typing import ClassVar

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.ids import Id
from app.models.base import EPOCH, FIRST, Identified, Instant, now
from platforms.fitting import AS_THEY_ARE, Choices, Ratio, Shape


class Attachment(BaseModel):
    """A media file in a post, with the words for those who cannot see it, and what a person decided about its fit.

    ``shape``, ``focus``, ``colour``, ``trim`` and ``ratio`` are those of :class:`platforms.fitting.Choices`; without a ``focus``
    it is the file's own.
    """

    media_id: Id
    alt: str = ""
    shape: Shape = AS_THEY_ARE.shape
    focus: tuple[float, float] | None = None
    colour: str = AS_THEY_ARE.colour
    trim: tuple[float, float] | None = None
    ratio: Ratio = AS_THEY_ARE.ratio

    def choices(self, focus: tuple[float, float]) -> Choices:
        """All that was decided about a file whose own point is ``focus``."""
        return Choices(self.shape, self.focus or focus, self.colour, self.trim, self.ratio)


class Variant(BaseModel):
    """What differs for one account: ``None`` as ``text`` or ``attachments`` means the post's."""

    account_id: Id
    text: str | None = None
    attachments: list[Attachment] | None = None
    options: dict[str, str] = Field(default_factory=dict)


class Post(Identified, Document):
    """The authored intent. Its status is derived from its deliveries, which hold all that publishing needs.

    Every save gives it a new ``revision`` and is refused unless it names the one it was made from; its deliveries carry the
    same. ``settling``, since ``settling_at``, is set with a save and taken away when the deliveries follow: what a crash leaves
    undone is found by it. A ``draft`` has no deliveries: there is nothing to deliver before somebody says when. ``canceled``: a
    person stopped it, and what waits does not go out until somebody says so again. ``planned_local`` is the planned time as a
    clock in ``zone`` shows it: the intent, from which ``planned_at`` follows by the rules known today. ``order`` repeats
    the id, which sorts by age, for the indexes: the embedded engine takes no ``_id`` into one with other fields. ``fit_ms`` is
    when its files are to be made to fit, or to be looked at again, in milliseconds since 1970; 0 is never. ``holds``
    repeats the ids of all its files, each once: the embedded engine finds no ``$in`` inside lists of documents.
    """

    workspace_id: Id
    author_id: Id
    order: str = ""
    text: str = ""
    language: str | None = None
    attachments: list[Attachment] = Field(default_factory=list)
    variants: list[Variant] = Field(default_factory=list)
    draft: bool = False
    canceled: bool = False
    revision: Id = FIRST
    settling: bool = False
    settling_at: Instant = EPOCH
    fit_ms: int = 0
    holds: list[Id] = Field(default_factory=list)
    planned_at: Instant | None = None
    planned_local: str | None = None
    zone: str = "UTC"
    created_at: Instant = Field(default_factory=now)
    updated_at: Instant = Field(default_factory=now)

    class Settings:
        name = "posts"
        indexes: ClassVar = [
            IndexModel([("workspace_id", ASCENDING), ("order", DESCENDING)], name="by_order"),
            IndexModel([("workspace_id", ASCENDING), ("draft", ASCENDING), ("order", DESCENDING)], name="drafts_by_order"),
            IndexModel([("settling", ASCENDING)], name="settling"),
            IndexModel([("planned_at", ASCENDING)], name="planned"),
            IndexModel([("fit_ms", ASCENDING)], name="fit"),
            IndexModel([("workspace_id", ASCENDING), ("holds", ASCENDING)], name="holds"),
        ]

    def model_post_init(self, context: object) -> None:
        """The order follows from the id, and what it holds from its files."""
        super().model_post_init(context)
        self.order = self.id
        apart = [each for variant in self.variants for each in variant.attachments or ()]
        self.holds = list(dict.fromkeys(each.media_id for each in [*self.attachments, *apart]))

    def words_of(self, variant: Variant) -> str:
        """What the variant's account is to say."""
        return tidy(self.text if variant.text is None else variant.text)

    def files_of(self, variant: Variant) -> list[Attachment]:
        """What the variant's account is to show."""
        return self.attachments if variant.attachments is None else variant.attachments

    @property
    def shows_files(self) -> bool:
        """Whether any account gets one."""
        return any(self.files_of(variant) for variant in self.variants)

    def leaves_out(self, account_id: Id) -> bool:
        """Whether nothing is to go out to the account, whatever was planned for it earlier."""
        return self.draft or all(variant.account_id != account_id for variant in self.variants)


def tidy(text: str) -> str:
    """Browsers send line ends as CR LF; networks count and show LF. White space around the text is nobody's intent."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
