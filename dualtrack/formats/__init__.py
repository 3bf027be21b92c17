"""Results in other tools' formats: pure functions that take a result."""
