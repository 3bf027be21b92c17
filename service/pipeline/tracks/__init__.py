"""Stage `track`: seeds become tubelets, round by round, and tubelets of earlier runs are taken over."""
