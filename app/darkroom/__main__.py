"""The process: confines itself, does one job, tells what came of it. Run as ``__main__.py PARENT < job``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # it is started without any path (-I)

from app.darkroom.confinement import confine
from app.darkroom.protocol import Job, Refused, tell


def _main(parent: str) -> None:
    job = Job.read(sys.stdin)
    confine(int(parent), memory=job.memory, seconds=job.seconds, written=job.written)
    from app.darkroom import work  # noqa: PLC0415 - nothing that opens files is even loaded before the limits hold

    try:
        facts = work.done(job)
    except Refused as refusal:
        tell(refused=str(refusal), code=refusal.code)
    else:
        tell(facts=facts)


if __name__ == "__main__":
    _main(sys.argv[1])
