"""Control of an engine process: start it, send it jobs, follow them, stop it."""
