"""Where files are opened: a process of its own for each, which :mod:`app.pictures` starts and may lose.

Files come and go by path, never through memory as a whole, so a film takes no more of it than a picture. The process is run as
``__main__.py``, reads one job from its standard input and answers in lines (:mod:`app.darkroom.protocol`).
"""

from pathlib import Path

PROGRAM = Path(__file__).with_name("__main__.py")
"""What is run in the process."""
