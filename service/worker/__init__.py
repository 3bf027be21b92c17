"""The worker: jobs from the queue, and the engine process that does them."""
