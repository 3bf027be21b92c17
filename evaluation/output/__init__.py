"""Tables, pages and pictures of an evaluation."""
