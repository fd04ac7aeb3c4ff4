"""The plan for a film, and for an animation that becomes one: as it is, repacked, or encoded anew."""

from dataclasses import dataclass, replace
from datetime import timedelta

from platforms.base import MediaFacts, MediaRule, Problem
from platforms.fitting.geometry import Frame, frame
from platforms.fitting.values import Choices, Flatten, Remux, Rendition, Step, Transcode, Trim, Turn

MIME = "video/mp4"
_PACKABLE = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
_PACKABLE_SOUND = frozenset({"", "aac", "mp3", "ac3", "eac3", "opus"})
"""What goes into an MP4 bit for bit."""
_PLAIN = frozenset({"", "yuv420p", "yuvj420p"})
"""4:2:0 of eight bits: all that networks which name their codecs show."""
_BOX = (1920, 1920)
"""What is encoded anyway is made no larger than this: no network's player shows more, and 4K takes four times as long."""
_RATE = 60.0
_USUAL_RATE = 30.0
"""Frames per second: at most, and where the file does not say."""
_LOWEST_RATE = 15.0
_SOUND = 128_000
"""Bits per second of stereo AAC: what Instagram and Threads allow."""
_RICH, _POOR = 0.15, 0.02
"""Bits per pixel and frame: more is wasted on H.264, less is a mosaic."""
_SPARE = 1_000_000
"""Bytes that a film may be larger than its bits. It is not the network's limit where that is far off: so networks share films."""
_LEAST_SIDE = 240
_USABLE = 0.95
"""Of the bytes allowed. The rest is the container and what the encoder may be off."""
_INDEX = 65_536
"""Bytes that a new container may have more than the old one, besides a fiftieth."""
_MOST_WORK = 3840 * 2160 * 60 * 600
"""Pixels in all that are decoded for one film: ten minutes of 4K at 60 a second."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What will be shown: from ``start``, for ``seconds``; ``whole`` if nothing was cut."""

    start: float
    seconds: float
    whole: bool


def plan(facts: MediaFacts, rule: MediaRule, choices: Choices) -> Rendition | Problem:
    """See :func:`platforms.fitting.plan`."""
    if facts.width < 1 or facts.height < 1 or facts.duration is None:
        return Problem("media", "unreadable", "Its size or length cannot be told. Export it again as MP4 (H.264, AAC).")
    cut = _cut(facts.duration.total_seconds(), choices.trim)
    problem = _too_long(cut, rule)
    framed = problem or frame(facts, rule, choices)
    if isinstance(framed, Problem):
        return framed
    untouched = not framed.steps and cut.whole and _stream_fits(facts, rule)
    return (_copied(facts, rule) if untouched else None) or _transcoded(facts, rule, choices, cut)


def _cut(seconds: float, trim: tuple[float, float] | None) -> _Cut:
    if trim is None or not 0 <= trim[0] < trim[1] or trim[0] >= seconds:
        return _Cut(0.0, seconds, whole=True)
    end = min(seconds, trim[1])
    return _Cut(trim[0], end - trim[0], whole=trim[0] == 0 and end == seconds)


def _too_long(cut: _Cut, rule: MediaRule) -> Problem | None:
    if rule.durations and not rule.durations[0].total_seconds() <= cut.seconds <= rule.durations[1].total_seconds():
        least, most = (f"{limit.total_seconds():g}" for limit in rule.durations)
        return Problem("media", "duration", f"It must take {least} to {most} seconds. Cut it.")
    return None


def _stream_fits(facts: MediaFacts, rule: MediaRule) -> bool:
    """Whether its pictures and sounds may stay as they are."""
    codecs = not rule.video_codecs or (facts.video_codec in rule.video_codecs and facts.pixels in _PLAIN)
    sound = not facts.audio_codec or not rule.sound or not rule.audio_codecs or facts.audio_codec in rule.audio_codecs
    rate = rule.frame_rates is None or facts.frame_rate == 0 or rule.frame_rates[0] <= facts.frame_rate <= rule.frame_rates[1]
    frames = rule.max_frames is None or facts.frames <= rule.max_frames
    bits = rule.max_bitrate is None or facts.bitrate <= rule.max_bitrate
    return facts.is_film and codecs and sound and rate and frames and bits and rule.min_bytes <= facts.size <= rule.max_bytes


def _copied(facts: MediaFacts, rule: MediaRule) -> Rendition | None:
    """Bit for bit, in its own container or a new one; ``None`` if it goes into none that the network takes."""
    if facts.mime in rule.mimes and facts.fast_start and (rule.sound or not facts.audio_codec):
        return Rendition(facts)
    packable = facts.video_codec in _PACKABLE and facts.audio_codec in _PACKABLE_SOUND
    size = facts.size + facts.size // 50 + _INDEX
    if MIME not in rule.mimes or not packable or size > rule.max_bytes:
        return None
    sound = facts.audio_codec if rule.sound else ""
    return Rendition(replace(facts, mime=MIME, size=size, fast_start=True, audio_codec=sound), (Remux(rule.sound),))


# --- encoding anew ----------------------------------------------------------------------------------------------------


def _transcoded(facts: MediaFacts, rule: MediaRule, choices: Choices, cut: _Cut) -> Rendition | Problem:
    if MIME not in rule.mimes:
        return Problem("media", "wrong_type", "The network does not take this type of file. Remove it.")
    rate = _rate(facts, rule, cut.seconds)
    if rate is None or facts.width * facts.height * facts.frames > _MOST_WORK:
        return Problem("media", "duration", "It is too long to be converted here. Cut it, or export it as MP4 (H.264, AAC).")
    sound = _SOUND if facts.audio_codec and rule.sound else 0
    bits = _USABLE * 8 * rule.max_bytes / max(cut.seconds, 1.0) - sound
    bits = bits if rule.max_bitrate is None else min(bits, rule.max_bitrate * _USABLE - sound)
    framed = frame(facts, _boxed(facts, rule, bits, rate), choices, even=True)
    if isinstance(framed, Problem):
        return framed
    if bits < framed.width * framed.height * rate * _POOR or facts.size < rule.min_bytes:
        return Problem("media", "too_large", f"It cannot be made to fit {rule.max_bytes / 1e6:.3g} MB. Cut it.")
    return _encoded(facts, rule, choices, cut=cut, framed=framed, rate=rate, bits=int(bits), sound=sound)


def _rate(facts: MediaFacts, rule: MediaRule, seconds: float) -> float | None:
    """Frames per second that the rule allows, as near to the film's own as can be; ``None`` if there are none worth seeing."""
    least, most = rule.frame_rates or (0.0, _RATE)
    rate = max(least, min(facts.frame_rate or _USUAL_RATE, most, max(least, _RATE)))
    if rule.max_frames is None or rate * seconds <= rule.max_frames:
        return rate
    fewer = (rule.max_frames - 1) / seconds
    return fewer if fewer >= max(least, _LOWEST_RATE) else None


def _boxed(facts: MediaFacts, rule: MediaRule, bits: float, rate: float) -> MediaRule:
    """``rule`` with the size that is worth encoding: within the box, and so many pixels as the bits can paint."""
    floor = rule.smallest or (0, 0)
    box = tuple(max(side, least) for side, least in zip(_BOX, floor, strict=True))
    largest = tuple(min(pair) for pair in zip(box, rule.largest or box, strict=True))
    factor = min(1.0, _LEAST_SIDE / min(facts.width, facts.height))
    fewest = max(4, int(facts.width * factor) * int(facts.height * factor), floor[0] * floor[1])
    paintable = max(fewest, int(bits / rate / (2 * _POOR)))
    return replace(rule, largest=(largest[0], largest[1]), max_pixels=min(paintable, rule.max_pixels or paintable))


def _encoded(
    facts: MediaFacts, rule: MediaRule, choices: Choices, *, cut: _Cut, framed: Frame, rate: float, bits: int, sound: int
) -> Rendition:
    bits = min(bits, max(200_000, int(framed.width * framed.height * rate * _RICH)))
    most = min(rule.max_bytes, int((bits + sound) * cut.seconds / 8 / _USABLE) + _SPARE)
    steps: list[Step] = [] if cut.whole else [Trim(cut.start, cut.start + cut.seconds)]
    steps += [Turn(facts.orientation)] if facts.orientation != 1 else []
    steps += framed.steps
    steps += [Flatten(choices.colour)] if facts.alpha else []
    kept = 0.0 if rate == facts.frame_rate else rate
    steps.append(Transcode(framed.width, framed.height, kept, bits, sound, most))
    fitted = MediaFacts(
        mime=MIME,
        size=most,
        width=framed.width,
        height=framed.height,
        pixels="yuv420p",
        frames=max(2, int(rate * cut.seconds)),
        duration=timedelta(seconds=cut.seconds),
        frame_rate=rate,
        bitrate=bits + sound,
        video_codec="h264",
        audio_codec="aac" if sound else "",
        colour=facts.colour,
        loops=facts.loops or facts.animated,
    )
    return Rendition(fitted, tuple(steps))
