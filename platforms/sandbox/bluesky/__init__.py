"""Bluesky's twin: one PDS (observed on PDS 0.5.35), and the video service."""
