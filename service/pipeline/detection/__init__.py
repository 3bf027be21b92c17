"""Stage `detect`: candidates of every frame, from the bundled graph, a graph from outside, or a file."""
