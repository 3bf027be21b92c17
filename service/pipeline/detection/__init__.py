"""Stage `detect`: candidates of every frame, from the bundled graph, an external graph, or a file."""
