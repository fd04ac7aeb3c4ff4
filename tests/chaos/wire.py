"""A TCP proxy whose connections can be cut in front of a request, or behind it when its effect is there and its answer is not.

Or of a request only a part comes through, and then the connection breaks as well.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time left: closing sends RST instead of FIN."""

Frames = Callable[[asyncio.StreamReader], AsyncIterator[bytes]]


class When(StrEnum):
    """Where the connection breaks."""

    BEFORE = "before"
    AFTER = "after"
    HALF = "half"
    """Half of what was asked for is done, and nobody hears of it."""


@dataclass(eq=False)
class Hold:
    """Stops a connection for a while: the request on its way there (``BEFORE``), or its answer on the way back (``AFTER``)."""

    where: When
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self) -> None:
        """Stand still until somebody lets go."""
        self.begun.set()
        await self.ended.wait()


@dataclass(frozen=True, slots=True)
class Instead:
    """This goes to the server in place of the request, and its answer nowhere."""

    frame: bytes


Found = When | Hold | Instead | None
Look = Callable[[bytes], Found]
"""Looks at what a client sends; answers whether, and where, to cut or to hold."""


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whatever arrives together."""
    while data := await reader.read(CHUNK):
        yield data


async def mongo_messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole messages: their length stands in front (MongoDB wire protocol)."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(4)
            yield head + await reader.readexactly(struct.unpack("<i", head)[0] - 4)


class Wire:
    """Listens on a port of its own and speaks for the server on ``target``."""

    def __init__(self, target: int, frames: Frames, look: Look, *, host: str = "127.0.0.1") -> None:
        self._target = host, target
        self._frames = frames
        self._look = look
        self._unplugged = False
        self._links: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> "Wire":
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Listen no more, and end what is open."""
        self._server.close()
        self.unplug()
        await asyncio.gather(*self._links, return_exceptions=True)

    def unplug(self) -> None:
        """Break every connection, and let nobody through until :meth:`plug_in`."""
        self._unplugged = True
        for link in self._links:
            link.cancel()

    def plug_in(self) -> None:
        """Carry again."""
        self._unplugged = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._unplugged:
            _reset(writer)
            return
        try:
            upstream = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        carrying = asyncio.create_task(_Link(reader, writer, *upstream).carry(self._frames, self._look))
        self._links.add(carrying)
        carrying.add_done_callback(self._links.discard)
        await asyncio.gather(carrying, return_exceptions=True)


class _Link:
    """One connection and its other half."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        self._near = reader, writer
        self._far = far_reader, far_writer
        self._withheld: When | Hold | None = None
        self._cut = False

    async def carry(self, frames: Frames, look: Look) -> None:
        """Until one side ends, or the wire is cut or unplugged: then both ends are reset."""
        directions = [asyncio.create_task(self._ask(frames, look)), asyncio.create_task(self._answer())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._cut = True
            raise
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            for writer in (self._near[1], self._far[1]):
                _reset(writer) if self._cut else writer.close()

    async def _ask(self, frames: Frames, look: Look) -> None:
        async for frame in frames(self._near[0]):
            found = look(frame)
            if isinstance(found, Instead):
                frame, found = found.frame, When.AFTER  # noqa: PLW2901
            if found is When.BEFORE:
                self._cut = True
                return
            if isinstance(found, Hold) and found.where is When.BEFORE:
                await found.pause()
            elif found is not None:
                self._withheld = found
            self._far[1].write(frame)
            await self._far[1].drain()

    async def _answer(self) -> None:
        """An answer begins only when its request has had its effect, so its first bytes are enough."""
        async for data in chunks(self._far[0]):
            withheld, self._withheld = self._withheld, None
            if withheld is When.AFTER:
                self._cut = True
                return
            if isinstance(withheld, Hold):
                await withheld.pause()
            self._near[1].write(data)
            await self._near[1].drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connected: socket.socket | None = writer.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
