"""The worker, which takes jobs from the queue, and the engine process that runs them."""
