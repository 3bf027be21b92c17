"""Stage `track`: tracks seeds in rounds to tubelets, reusing tubelets of earlier runs."""
