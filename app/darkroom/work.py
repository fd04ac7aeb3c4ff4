"""The jobs, by what the file is."""

from pathlib import Path

from app.darkroom.protocol import Facts, Job
from app.darkroom.sniffing import HEAD, sniff


def done(job: Job) -> Facts:
    """Carry ``job`` out. The facts of its target, or of its source if it was only probed. Raises :class:`Refused`."""
    mime = _type(Path(job.source))
    return _film(job, mime) if mime.startswith("video/") else _picture(job, mime)


def _type(source: Path) -> str:
    with source.open("rb") as file:
        return sniff(file.read(HEAD))


def _picture(job: Job, mime: str) -> Facts:
    from app.darkroom import animations, pictures  # noqa: PLC0415 - each job loads only what it needs

    source, target = Path(job.source), Path(job.target)
    if job.task == "probe":
        return pictures.probe(source, mime)
    if job.task == "clean":
        return pictures.clean(source, target, mime, _path(job.thumb))
    if job.recipe[-1]["step"] == "transcode":
        return animations.filmed(source, target, mime, job.recipe)
    return pictures.render(source, target, mime, job.recipe)


def _film(job: Job, mime: str) -> Facts:
    from app.darkroom import films  # noqa: PLC0415

    source, target = Path(job.source), Path(job.target)
    if job.task == "probe":
        return films.probe(source, mime, _path(job.poster), _path(job.thumb))
    if job.task == "clean":
        return films.clean(source, target, mime, _path(job.poster), _path(job.thumb))
    return films.render(source, target, mime, job.recipe)


def _path(name: str) -> Path | None:
    return Path(name) if name else None
