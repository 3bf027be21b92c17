"""Decoded frames: how they are coded on disk, and read again in any order."""
