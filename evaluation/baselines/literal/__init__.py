"""The method implemented literally, as in the papers' code: one object at a time, on whole frames, nothing shared.

The reference of row 1 of the benchmark. It uses the weights of the model repository; `tracker.LiteralTracker` lists
the differences to the service's engine.
"""
