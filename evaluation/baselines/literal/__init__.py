"""The method as the papers' programs run it: one object after the other, whole frames, nothing shared.

What the bench's first row is measured against. The weights are those of the repository; `tracker.LiteralTracker`
states what differs from the service's own engine.
"""
